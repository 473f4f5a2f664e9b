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

echo "=== figures of the store"
figures() { "$BIN/cacheprogctl" status --json --store "$WORK/own/nix-gocacheprog"; }
sum() { figures | jq "[.days[] | select(.command == \"$1\") | .$2] | add // 0"; }
# A go command continues before its cache program has noted anything.
noted() { for _ in {1..50}; do if [ "$(figures 2> /dev/null | jq '[.days[].commands] | add // 0')" -ge "$1" ]; then return 0; fi; sleep 0.1; done; return 1; }
export XDG_CACHE_HOME=$WORK/own GOCACHEPROG=$BIN/cacheprog-client GOCACHE=$WORK/gocache-own
"$go" build ./...
expect "the go command is noted" noted 1
compiled=$(sum build packages_compiled)
is "a cold build has no hit" 0 "$(sum build hits)"
expect "what it compiled is counted: $compiled packages" test "$compiled" -gt 20
export GOCACHE=$WORK/gocache-own-2
"$go" build ./...
expect "the second one is noted" noted 2
is "a warm build compiles nothing more" "$compiled" "$(sum build packages_compiled)"
expect "it has hits: $(sum build hits), saved $(sum build saved_ms) ms" test "$(sum build hits)" -gt "$compiled" -a "$(sum build saved_ms)" -gt 0
for _ in 1 2 3 4; do "$go" vet ./... & done
wait
expect "go commands that end at the same time are all noted" noted 6
is "vet is counted by its name" 4 "$(sum vet commands)"
"$BIN/cacheprogctl" status --store > "$WORK/status"
sed 's/^/    /' "$WORK/status"
expect "without a directory it is the user's own" grep -q "^$WORK/own/nix-gocacheprog: " "$WORK/status"
expect "what go clean does not clear is said" grep -q 'go clean -cache' "$WORK/status"
"$BIN/cacheprogctl" why --store > "$WORK/why"
sed 's/^/    /' "$WORK/why"
expect "why names causes" grep -q '^new	' "$WORK/why"
"$go" clean -cache
expect "and it does not" test "$(figures | jq .entries)" -gt 50
is "verify counts the entries that status counts" "$(figures | jq .entries)" "$("$BIN/cacheprogctl" verify --store --json | jq .entries)"
is "and so does purge" "$(figures | jq .entries)" "$("$BIN/cacheprogctl" purge --all --dry-run --store --json | jq .seen)"
"$BIN/cacheprogctl" gc --store --dry-run > "$WORK/gc"
expect "gc has the limits of the client" grep -q 'of at most 100.0 MiB' \
    <(NIX_GOCACHEPROG_MAX_SIZE=100MiB "$BIN/cacheprogctl" gc --store --dry-run)

echo "=== a store that is only read"
mount --bind "$WORK/own" "$WORK/own"
mount -o remount,bind,ro "$WORK/own"
before=$(figures | jq -c .days)
GOCACHE=$WORK/gocache-read "$go" build -v ./... 2> "$WORK/compiled"
expect "nothing is compiled" test ! -s "$WORK/compiled"
"$go" list -export -deps -compiled -f '{{.Export}}' ./... > /dev/null
expect "it is read" test "$(figures | jq .entries)" -gt 50
expect "and notes nothing" test "$(figures | jq -c .days)" = "$before"
umount "$WORK/own"
"$BIN/cacheprogctl" purge --store --all --yes > /dev/null
is "purge clears it" 0 "$(figures | jq .entries)"
