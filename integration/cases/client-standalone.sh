# The client as a cache program by itself, with real Go versions of each dialect (to 1.23, from 1.24 on), in the ways people
# call go. `integration/test --full` takes one version more.
# Texts for Nix stay unexpanded, and variables are for the sourced files:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/go.sh"

cp -r "$CASE_DIR/programs/small" "$WORK/src"
cd "$WORK/src" || exit 1
export CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off
for version in 1.21.13 ${TEST_FULL:+1.24.11} local 1.27.0; do
    go=$(go_with_cacheprog "$version")
    echo "--- $("$go" version)"
    export GOTOOLCHAIN=local GOCACHE=$WORK/gocache-$version GOCACHEPROG="$BIN/cacheprog-client --store $WORK/store"
    "$go" build ./...
    "$go" vet ./...
    "$go" test ./... > "$WORK/test"
    expect "tests are cached" grep -q '(cached)' <("$go" test ./...)
    "$go" clean -testcache
    if "$go" test ./... | grep -q '(cached)'; then fail "go clean -testcache had no effect"; fi
    expect "and then cached again" grep -q '(cached)' <("$go" test ./...)
    rm -rf "$GOCACHE"
    expect "with an empty GOCACHE they still are" grep -q '(cached)' <("$go" test ./...)
    "$go" list -export -deps -compiled -test -f '{{.Export}}' ./... | sort -u > "$WORK/exports"
    expect "exported files are there" bash -c "grep / '$WORK/exports' | xargs stat -c %s > /dev/null"
    for _ in 1 2; do
        "$go" build -o "$WORK/lib.a" ./word # would be renamed out of the cache
        expect "the archive is a copy" test "$(head -c 7 "$WORK/lib.a")" = '!<arch>'
    done
    "$go" build -v ./word 2> "$WORK/compiled"
    expect "and the cache has it still" test ! -s "$WORK/compiled"
    # shellcheck disable=SC2086 # a flag or none: with it the whole standard library is compiled once more, twice
    for trimpath in '' ${TEST_FULL:+-trimpath}; do
        GOCACHEPROG='' GOCACHE=$WORK/plain-$version "$go" build $trimpath -o "$WORK/plain" ./cmd/small
        "$go" build $trimpath -o "$WORK/cached" ./cmd/small
        expect "the program is the same as without" cmp "$WORK/plain" "$WORK/cached"
    done
done
STATE=$WORK/store
expect "the store is whole" store_is_whole
