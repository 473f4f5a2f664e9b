# The page in Chromium: at a width, in a colour scheme. Source it. Reads WORK, PORT and ROOT_DIR.
# shellcheck shell=bash
set -euo pipefail

# browser WIDTH HEIGHT dark|light ARGUMENT...: Chromium without a window.
browser() {
    local width=$1 height=$2 scheme=$3 number=1
    shift 3
    [ "$scheme" = light ] || number=0 # blink's PreferredColorScheme
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --user-data-dir="$WORK/chromium" --virtual-time-budget=4000 \
        --blink-settings="preferredColorScheme=$number" --window-size="$width,$height" "$@"
}

# told NAME FILE: what page_check.html told of the page.
told() { grep -o '<body[^>]*' "$2" | sed -n "s/.* data-$1=\"\([^\"]*\)\".*/\1/p"; }

# page_is_good WHAT: at 400 and 1280 px, in both schemes, nothing is wider than the window, text is readable, and each part has a name.
# Leaves the page as it was drawn in WORK/dom.html. Chromium's windows are at least 500 px wide, frames in them are not.
page_is_good() {
    local what=$1 width scheme seen
    curl -fsS "http://127.0.0.1:$PORT/" | cat - "$ROOT_DIR/integration/lib/page_check.html" > "$WORK/page.html"
    for width in 400 1280; do
        printf '<script>onmessage = event => Object.assign(document.body.dataset, event.data)</script>
            <body><iframe src="page.html" width="%s" height="900" style="border: 0"></iframe>' "$width" > "$WORK/frame.html"
        for scheme in light dark; do
            seen=$WORK/seen-$scheme.html
            browser 1400 1000 "$scheme" --dump-dom "file://$WORK/frame.html" > "$seen" 2> "$WORK/browser.log"
            is "$what: drawn to its end" yes "$(told drawn "$seen")"
            is "$what: the window's width" "$width" "$(told window "$seen")"
            is "$what: faults at $width px, $scheme" '' "$(told wrong "$seen")"
        done
        refused test "$(told back "$WORK/seen-light.html")" = "$(told back "$WORK/seen-dark.html")" || fail "$what: both schemes have the same colours"
    done
    browser 1280 900 light --dump-dom "http://127.0.0.1:$PORT/" > "$WORK/dom.html" 2> "$WORK/browser.log"
}

# picture NAME WIDTH HEIGHT SCHEME: the page as docs/images/NAME.png, where UPDATE is set.
picture() {
    browser "$2" "$3" "$4" --enable-logging=stderr --v=0 --screenshot="$WORK/$1.png" "http://127.0.0.1:$PORT/" > "$WORK/browser.log" 2>&1
    if grep -E 'CONSOLE.*(Error|Refused)' "$WORK/browser.log" >&2; then fail "the page has errors"; fi
    expect "the browser made $1" test "$(head -c 4 "$WORK/$1.png" | tail -c 3)" = PNG
    [ -n "${UPDATE:-}" ] || return 0
    pngquant --force --output "$ROOT_DIR/docs/images/$1.png" 64 "$WORK/$1.png"
}
