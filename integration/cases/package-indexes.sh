# Proves that indexes of Go's own packages are shared, since the toolchain is in the Nix store, and stay right with
# `go list -overlay`, which replaces a file of a package; here by one of the same size and mtime, so of the same key. With naive
# sharing the index of the one is used for the other; with the hook it is not.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
start_daemon
naive_sharing
mkdir "$WORK/src"
printf 'module example.test/rings\n\ngo 1.21\n' > "$WORK/src/go.mod"
# It does not import the package: within one build Go itself uses the one index for the other.
printf 'package main\n\nimport _ "fmt"\n\nfunc main() {}\n' > "$WORK/src/main.go"
# A comment of the original becomes an import of the same length.
original=$(go env GOROOT)/src/container/ring/ring.go
awk '/^\/\/ A Ring is/ && !done { done = 1; printf "%s%*s\n", "import _ \"sort\"", length($0) - 15, ""; next } { print }' \
    "$original" > "$WORK/src/ring.txt"
is "both files have the same size" "$(stat -c %s "$original")" "$(stat -c %s "$WORK/src/ring.txt")"
expect "the files differ" refused cmp "$original" "$WORK/src/ring.txt"

# listed BUILDER VERSION [COMMAND]: prints the imports of container/ring by go list.
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

is "naive sharing, without an overlay" '[]' "$(listed naive naive-1)"
is "naive sharing, with the overlay: the same, which is wrong" '[]' "$(listed naive naive-2 "go list -overlay=overlay.json")"

is "with an overlay first" '[sort]' "$(listed small 1 "go list -overlay=overlay.json")"
is "without an overlay" '[]' "$(listed small 2)"
shared=$(indexes)
expect "indexes are shared: $shared" test "$shared" -ge 40
is "with an overlay in GOFLAGS" '[sort]' "$(listed small 3 'GOFLAGS="$GOFLAGS -overlay=overlay.json" go list')"
is "again without an overlay" '[]' "$(listed small 4)"
is "no further index is shared" "$shared" "$(indexes)"
expect "the last build has few private indexes" counts small-4 private_puts -le 4
expect "every object and record of the store is intact" store_is_whole
echo "summary: $shared indexes shared, none with an overlay"
