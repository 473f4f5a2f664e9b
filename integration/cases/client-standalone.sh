# Proves that the client alone is a complete cache program: with real Go versions of each protocol dialect (up to 1.23, from 1.24
# on), for the usual go commands. `integration/test --full` adds two versions.
# (Texts for Nix are not expanded; variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/go.sh"

cp -r "$CASE_DIR/programs/small" "$WORK/src"
cd "$WORK/src" || exit 1
export CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off
for version in 1.21.13 ${TEST_FULL:+1.24.11 1.27.0} local; do
    go=$(go_with_cacheprog "$version")
    echo "--- $("$go" version)"
    export GOTOOLCHAIN=local GOCACHE=$WORK/gocache-$version GOCACHEPROG="$BIN/cacheprog-client --store $WORK/store"
    "$go" build ./...
    "$go" vet ./...
    "$go" test ./... > "$WORK/test"
    expect "tests are cached" grep -q '(cached)' <("$go" test ./...)
    "$go" clean -testcache
    if "$go" test ./... | grep -q '(cached)'; then fail "go clean -testcache had no effect"; fi
    expect "results are cached again afterwards" grep -q '(cached)' <("$go" test ./...)
    # The go command does not wait for the end of its cache program, which may still write there.
    for _ in 1 2 3 4 5; do if rm -rf "$GOCACHE" 2> /dev/null; then break; else sleep 1; fi; done
    expect "results are cached with an empty GOCACHE too" grep -q '(cached)' <("$go" test ./...)
    "$go" list -export -deps -compiled -test -f '{{.Export}}' ./... | sort -u > "$WORK/exports"
    expect "exported files exist" bash -c "grep / '$WORK/exports' | xargs stat -c %s > /dev/null"
    for _ in 1 2; do
        "$go" build -o "$WORK/lib.a" ./word # would be renamed out of the cache
        expect "the archive is a copy" test "$(head -c 7 "$WORK/lib.a")" = '!<arch>'
    done
    "$go" build -v ./word 2> "$WORK/compiled"
    expect "the output is still in the cache" test ! -s "$WORK/compiled"
    # shellcheck disable=SC2086 # a flag or none: with it the whole standard library is compiled once more, twice
    for trimpath in '' ${TEST_FULL:+-trimpath}; do
        GOCACHEPROG='' GOCACHE=$WORK/plain-$version "$go" build $trimpath -o "$WORK/plain" ./cmd/small
        "$go" build $trimpath -o "$WORK/cached" ./cmd/small
        expect "the program is the same as without the cache" cmp "$WORK/plain" "$WORK/cached"
    done
done
STATE=$WORK/store
expect "every object and record of the store is intact" store_is_whole
