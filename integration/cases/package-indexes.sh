# The indexes of Go's own packages: every build's, as the toolchain is in the Nix store. But `go list -overlay` reads another file
# in the place of one of them, here of the same size and mtime, and so with the same key: with plain sharing the index of the one
# is taken for the other's, with the hook it is not.
# Texts for Nix stay unexpanded:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
start_daemon
plain_sharing
mkdir "$WORK/src"
printf 'module example.test/rings\n\ngo 1.21\n' > "$WORK/src/go.mod"
# It does not import the package: within one build Go itself takes the one index for the other.
printf 'package main\n\nimport _ "fmt"\n\nfunc main() {}\n' > "$WORK/src/main.go"
# A comment of the original becomes an import of the same length.
original=$(go env GOROOT)/src/container/ring/ring.go
awk '/^\/\/ A Ring is/ && !done { done = 1; printf "%s%*s\n", "import _ \"sort\"", length($0) - 15, ""; next } { print }' \
    "$original" > "$WORK/src/ring.txt"
is "the two have the same size" "$(stat -c %s "$original")" "$(stat -c %s "$WORK/src/ring.txt")"
expect "and differ" refused cmp "$original" "$WORK/src/ring.txt"

# listed BUILDER VERSION [COMMAND]: what go list says that container/ring imports.
listed() {
    local builder=$1 version=$2 list=${3:-go list} out
    out=$("$builder" "$version" --arg src "$WORK/src" --arg extra "{ doCheck = false; postInstall = ''
        touch -d @1 ring.txt
        echo '{\"Replace\": {\"'\$(go env GOROOT)/src/container/ring/ring.go'\": \"'\$PWD/ring.txt'\"}}' > overlay.json
        $list -f '{{.Imports}}' container/ring > \$out/listed
    ''; }")
    cat "$out/listed"
}
indexes() { grep -rhc $'^2\ts\t' "$STATE/records" | awk '{ n += $1 } END { print n + 0 }'; }

is "plain" '[]' "$(listed plain plain-1)"
is "plain, with the overlay: as without" '[]' "$(listed plain plain-2 "go list -overlay=overlay.json")"

is "with an overlay first" '[sort]' "$(listed small 1 "go list -overlay=overlay.json")"
is "without" '[]' "$(listed small 2)"
shared=$(indexes)
expect "indexes are shared: $shared" test "$shared" -ge 40
is "with one by GOFLAGS" '[sort]' "$(listed small 3 'GOFLAGS="$GOFLAGS -overlay=overlay.json" go list')"
is "again without" '[]' "$(listed small 4)"
is "nothing more is shared" "$shared" "$(indexes)"
expect "the last build has few of its own" counts small-4 private_puts -le 4
expect "the store is whole" store_is_whole
echo "summary: $shared indexes shared, none where an overlay takes their place"
