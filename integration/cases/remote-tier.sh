# Proves that a fresh machine with Nix and a daemon builds as if it had built before: what a trusted machine's builds used comes from a remote
# store while the build unpacks, with S3 (integration/s3_double) and, with `integration/test --full`, with nginx's WebDAV; and that
# builds pass whatever the remote store, or cacheprog-remote, does.
# (Variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/with_engine.sh"
need_tools curl=curl python3=python3-minimal || fail "no curl, or no python3"
# doctor_says LEVEL: what doctor finds of the remote store is this: good, or warn.
doctor_says() { grep -q "^$1 the remote store: " <("$BIN/cacheprogctl" doctor --control-socket "$CONTROL" --config "$WORK/daemon.toml" --state-dir "$STATE" 2>&1 || true); }
if [ -n "${TEST_FULL:-}" ]; then # case remote-without-nix has both engines in each run
    start_nginx
    with_engine nginx "$NGINX_URL"
fi
start_s3_double
with_engine s3 "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'"
expect "doctor has nothing against it" doctor_says good

echo "=== what a remote store can do"
# fault RULE: from now on the store does this; fault none: it does nothing any more.
fault() {
    if [ "$1" = none ]; then curl -sS -f -X DELETE "$S3_ADDRESS/-/faults"; else curl -sS -f -d "$1" "$S3_ADDRESS/-/faults"; fi > /dev/null
}
# tells: waits until the status has what went wrong, at most a minute: the prefetch goes on beside the build, and may end later.
tells() {
    local tries
    for ((tries = 0; tries < 60; tries++)); do
        [ -z "$(remote_field trouble)" ] || return 0
        sleep 1
    done
    return 1
}
# nothing_to_find: a build without a fault on a machine that trusts another key. Those of the rows with faults compile as much, and are to take no
# longer; single ones differ by some seconds all the same.
mapfile -t stranger < <(trusts "$OTHER")
WITHOUT=()
nothing_to_find() {
    start_remote "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'"
    new_machine "$S3_URL" "${stranger[@]}"
    echo "    without a fault, and with nothing to find:"
    built --arg src "$EDITED"
    WITHOUT+=("$(printf %.1f "$TOOK")")
}
# row WHAT RULE EXPECTED: a build on a fresh machine beside a store that does this.
ROWS=()
row() {
    local what=$1 rule=$2 expected=$3
    start_remote "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'" # no breaker is open from before
    new_machine "$S3_URL" "${READER[@]}"
    fault "$rule"
    echo "    $what:"
    built --arg src "$EDITED"
    ROWS+=("$TOOK|$what")
    if [ "$expected" = nothing ]; then
        expect "$what: the build compiles" test "$COMPILED" -gt 0
        [[ "$what" = 404* ]] || expect "$what: the status tells" tells
        [[ "$what" = 404* ]] || expect "$what: doctor names it" doctor_says warn
    fi
    expect "$what: every object and record is intact" store_is_whole
    fault none
}
mapfile -t faults < <(if [ -n "${TEST_FULL:-}" ]; then cat "$CASE_DIR/lib/remote_faults.txt"; else grep '^a body that drips|' "$CASE_DIR/lib/remote_faults.txt"; fi)
for ((n = 0; n < ${#faults[@]}; n++)); do
    if [ -n "${TEST_FULL:-}" ] && ((n == 0 || n == ${#faults[@]} / 2)); then nothing_to_find; fi
    IFS='|' read -r what rule expected _ <<< "${faults[n]}"
    row "$what" "$rule" "$expected"
done
if [ -n "${TEST_FULL:-}" ]; then
    nothing_to_find
    without=$(printf '%s\n' "${WITHOUT[@]}" | median)
    printf '    without a fault, and with nothing to find: %s s, the median of %s\n' "$without" "${WITHOUT[*]}"
    for one in "${ROWS[@]}"; do
        awk -v took="${one%%|*}" -v what="${one#*|}" -v without="$without" 'BEGIN { printf "    %6.1f s, %+5.1f s: %s\n", took, took - without, what }'
    done
fi

echo "=== cacheprog-remote is gone in mid-build"
start_remote "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'"
new_machine "$S3_URL" "${READER[@]}"
fault '{"method": "GET", "name": "o/", "fault": {"kind": "drip", "bytes_per_second": 1000}}' # else all may have come by then
in_mid_build kill -KILL "$REMOTE_PID"
built
wait "$MID_BUILD"
expect "the status tells" tells
expect "doctor names it" doctor_says warn
echo "summary: a fresh machine compiles next to nothing; builds pass whatever the remote store does"
