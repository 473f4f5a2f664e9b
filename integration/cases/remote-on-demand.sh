# Proves that builds of a name that use little of what comes from the remote store get, after three of them, what they ask for and nothing ahead:
# a trusted machine built for GOAMD64=v3, and this one builds for v1, then for v3. It is purged before each build: else nothing is missing.
# With --full: it waits for the end of each build, which takes a minute.
# (Variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/with_engine.sh"
need_tools curl=curl python3=python3-minimal || fail "no curl, or no python3"
V3=(--arg extra '{ GOAMD64 = "v3"; }')
# fetched_by [NIX-ARG...]: a build on this machine without its entries; sets FETCHED, the bytes that came for it.
fetched_by() {
    local before
    "$BIN/cacheprogctl" purge --all --yes --state-dir "$STATE" > "$WORK/purge.log" 2>&1 || fail "$(cat "$WORK/purge.log")"
    before=$(remote_field fetched_bytes)
    built "$@"
    expect "it is over" no_builds_left
    FETCHED=$(($(remote_field fetched_bytes) - before))
    echo "    $FETCHED bytes came"
}
logged() { grep -q "$1" "$WORK/daemon.log"; }

start_s3_double
start_remote "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'"
new_machine "$S3_URL" "${WRITER[@]}"
built "${V3[@]}"
all=$COMPILED
expect "the first machine compiles everything" test "$all" -gt 50
expect "it is put" uploaded 1

new_machine "$S3_URL" "${READER[@]}"
for ((n = 1; n <= 3; n++)); do
    refused logged 'nothing ahead' || fail "on demand after $((n - 1)) builds"
    fetched_by
    expect "all came for build $n" test "$FETCHED" -gt 1000000
    ahead=$FETCHED
done
expect "the daemon says that this was of no use" logged 'nothing ahead'
fetched_by
# Some indexes of packages are asked for, which are the same for v1; a frame has more than what was asked for.
expect "little comes now" test "$FETCHED" -lt $((ahead / 4))
expect "what is asked for is compiled" test "$COMPILED" -gt 50
fetched_by "${V3[@]}"
expect "what a build asks for comes all the same" test "$COMPILED" -lt $((all / 10))
expect "after that it is fetched ahead again" logged 'fetched ahead again'
expect "every object and record of its store is intact" store_is_whole
echo "summary: who uses little of what comes gets what he asks for: $ahead bytes came ahead, and $FETCHED on demand for a build that uses them"
