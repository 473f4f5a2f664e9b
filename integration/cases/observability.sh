# Proves that the command line, the metrics and the page show a history of 30 builds of two real programs: the transcripts in
# docs/reference/cli.md, a real Prometheus with docs/reference/metrics/, and Chromium, in which the page is looked at, empty and full, at
# two widths and in two colour schemes. With UPDATE=1 it rewrites the transcripts and the pictures of the page.
# (Texts for Prometheus are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2016
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/fake_builds.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/history.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/page.sh"

need_tools prometheus=prometheus chromium=chromium pngquant=pngquant jq=jq script=bsdutils curl=curl || fail "a tool is missing"
PORT=$((20000 + RANDOM % 10000))
SERVE_ARGS=(--http "127.0.0.1:$PORT")
[ -z "${UPDATE:-}" ] || SERVE_ARGS+=(--min-free 10GiB) # transcripts show what users see
start_daemon

# The page before the first build says what to do.
page_is_good "the empty page"
expect "it says what to do" grep -q '<section id="first" aria-labelledby="first-title">' "$WORK/dom.html"
expect "it has no charts" grep -q '<div class="of-builds grid" id="spans" hidden' "$WORK/dom.html"
picture page-empty 1280 1000 light
picture page-empty-400-dark 400 1400 dark
fetch_history

cat > "$WORK/prometheus.yml" <<YML
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ "$ROOT_DIR/docs/reference/metrics/alerts.yml" ]
scrape_configs:
  - job_name: nix-gocacheprog
    static_configs: [ { targets: [ "127.0.0.1:$PORT" ] } ]
YML
promtool check config "$WORK/prometheus.yml"
prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" --web.listen-address="127.0.0.1:$((PORT + 1))" \
    > "$WORK/prometheus.log" 2>&1 &
PROMETHEUS=$!

make_history
cacheprogctl() { "$BIN/cacheprogctl" "$@"; }
export NIX_GOCACHEPROG_CONTROL=$CONTROL CACHE_DIRECTORY=$STATE NO_COLOR=1
end_fake_builds
for ((tries = 0; tries < 90; tries++)); do
    [ -n "$(ls -A "$STATE/builds")" ] || break
    sleep 1
done
is "builds in the history" 30 "$(cacheprogctl builds -n 100 --json | jq '.ended | length')"

# A user without rights can read everything and change nothing.
user() { setpriv --reuid 65534 --regid 65534 --clear-groups env -u NIX_GOCACHEPROG_CONTROL "$BIN/cacheprogctl" "$@" --control-socket "$WORK/state/status.sock"; }
is "a user sees builds" 30 "$(user builds -n 100 --json | jq '.ended | length')"
expect "a user sees why builds missed" grep -q 'changed dependency' <(user why age)
expect "a user sees no id of a running build" test "$(user status --json | jq '[.live[].id | select(. != "")] | length')" = 0

# Transcripts: a line of docs/reference/cli.md that begins with `$ ` is run on a terminal; the lines after it are its output. Numbers, ids and
# spans of time differ from run to run, and with them the order of rows; words, columns and names do not.
shape() { sed -E ':a; s/([0-9]),([0-9]{3})/\1\2/; ta; s/\b[0-9a-f]{8}\b/ID/g; s/[0-9]+(\.[0-9]+)?/0/g; s/0 (d|h|min) 0 (h|min|s)/0 s/g; s/0 (d|h|min|s)\b/0 s/g; s/0 (B|[KMGT]iB)\b/0 B/g; s/  +/ /g; s/ +$//'; }
on_terminal() {
    (cd "$WORK" && PATH="$BIN:$PATH" script -qec "stty cols 200; $1" /dev/null < /dev/null) | tr -d '\r' | sed "s|^.*\x1b\[K||; s|$STATE|/var/cache/nix-gocacheprog|g; s|$WORK|/work|g"
}
transcripts() {
    local line in_transcript=
    while IFS= read -r line; do
        case $line in
            '    $ '*)
                [ -z "$in_transcript" ] || echo
                in_transcript=1
                printf '%s\n' "$line"
                on_terminal "${line#    \$ }" | sed 's/^/    /; s/ *$//' | cat -s || true ;;
            '    '*) ;;
            '') [ -n "$in_transcript" ] || echo ;;
            *)
                [ -z "$in_transcript" ] || echo
                in_transcript=
                printf '%s\n' "$line" ;;
        esac
    done < "$ROOT_DIR/docs/reference/cli.md"
}
transcripts > "$WORK/cli.md"
if [ -n "${UPDATE:-}" ]; then cp "$WORK/cli.md" "$ROOT_DIR/docs/reference/cli.md"; fi
expect "docs/reference/cli.md has the output of the commands" diff <(shape < "$ROOT_DIR/docs/reference/cli.md" | grep . | sort) <(shape < "$WORK/cli.md" | grep . | sort)
is "transcripts" 14 "$(grep -c '^    \$ cacheprogctl' "$ROOT_DIR/docs/reference/cli.md")"

# Every command's JSON has the fields of the schema in docs/reference/cli.md.
for words in "status" "builds" "why age" "gc --dry-run" "verify" "purge --all --dry-run" "doctor" "export $WORK/layer-in-json"; do
    # shellcheck disable=SC2086
    "$BIN/cacheprogctl" $words --json > "$WORK/json" 2> /dev/null || [ "$words" = doctor ] || fail "cacheprogctl $words --json failed"
    jq -r 'keys[]' "$WORK/json" | while read -r key; do
        grep -q "\`$key\`" "$ROOT_DIR/docs/reference/cli.md" || fail "cacheprogctl $words --json has $key, docs/reference/cli.md does not"
    done
done
echo "ok: the schema names every field"

# Prometheus accepts every expression of the alerts and the dashboard, and has data for it.
query() { curl -fsS "http://127.0.0.1:$((PORT + 1))/api/v1/query" --data-urlencode "query=$1"; }
value() { query "$1" | jq -r '.data.result[0].value[1]'; }
for field in packages_compiled packages_needed hits; do
    is "$field in Prometheus" "$(cacheprogctl builds -n 100 --json | jq "[.ended[].$field] | add")" "$(value "gocacheprog_${field}_total")"
done
is "builds" 30 "$(value gocacheprog_builds_total)"
jq -r '.panels[].targets[].expr' "$ROOT_DIR/docs/reference/metrics/grafana.json" | sed 's/\$__rate_interval/15m/g' | while IFS= read -r expression; do
    is "data for $expression" yes "$(query "$expression" | jq -r 'if (.status == "success") and (.data.result | length) > 0 then "yes" else "no" end')"
done
rules=$(curl -fsS "http://127.0.0.1:$((PORT + 1))/api/v1/rules")
count=$(grep -c "^ *- alert: " "$ROOT_DIR/docs/reference/metrics/alerts.yml")
is "alert rules" "$count" "$(jq '[.data.groups[].rules[]] | length' <<< "$rules")"
is "healthy alert rules" "$count" "$(jq '[.data.groups[].rules[] | select(.health == "ok")] | length' <<< "$rules")"
kill "$PROMETHEUS"

# The page with the history and a live build, which compiles packages with and without their tests. It loads nothing from other hosts.
(cd "$WORK/second" && fake_build fzf-0.58.0 sh -c "go test -run '^\$' ./src/algo ./src/util; touch '$WORK/tested'; sleep 600") > "$WORK/live.log" 2>&1 &
LIVE=$!
for ((tries = 0; tries < 600; tries++)); do
    if [ -e "$WORK/tested" ]; then break; fi
    sleep 0.1
done
expect "a build is live" test -e "$WORK/tested"
page_is_good "the page"
dom=$WORK/dom.html
expect "the page shows the builds" grep -q 'fzf-0.57.0' "$dom"
expect "the timeline shows packages" grep -q '<title>filippo.io/age/internal/stream, ' "$dom"
expect "it shows the live build" grep -q 'fzf-0.58.0.*go commands' "$dom"
expect "it names causes of misses" grep -q '<b>new source</b>' "$dom"
expect "it tells forms of a package apart" grep -q '<title>github.com/junegunn/fzf/src/[a-z]*, with its tests, ' "$dom"
refused grep -q '<section id="first" aria-labelledby="first-title">' "$dom" || fail "the page with builds says how to begin"
picture page 1280 1700 light
picture page-dark 1280 1700 dark
picture page-400 400 2400 light
picture page-400-dark 400 2400 dark
kill "$LIVE" || true
is "a request with another host name is refused" 421 "$(curl -s -o /dev/null -w '%{http_code}' -H 'Host: attacker.example' "http://127.0.0.1:$PORT/")"
echo "summary: 14 transcripts, 8 schemas, every expression of the dashboard and $count alerts in Prometheus, the page in Chromium, empty and full, at 400 and 1280 px, light and dark"
