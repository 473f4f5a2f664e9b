# Proves that machines share what builds used through a cluster of Garage with three nodes and two copies of each object, and that what cannot be
# put, as one of the two copies has no place, waits and is put later; reads go on meanwhile.
# With --remote: it builds Garage, which takes some 13 minutes of CPU time when it was not built before.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/with_engine.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/engine_garage.sh"

start_garage 2
settings=("endpoint = '$S3_ADDRESS'" "region = '$S3_REGION'")
expect "the store can be used" "$BIN/cacheprog-remote" test --url "$S3_URL" --write
with_engine garage "$S3_URL" "${settings[@]}"

echo "=== a node is killed in mid-build"
# waits_with TEXT: waits until the status says that an upload waits, with this text, at most a minute.
waits_with() {
    local until=$((SECONDS + 60))
    until [ "$(remote_field waiting)" = 1 ] && [[ "$(remote_field trouble)" == *"$1"* ]]; do
        [ "$SECONDS" -lt "$until" ] || { status_json | grep -A 9 '"remote"' >&2; return 1; }
        sleep 0.5
    done
    echo "    trouble: $(remote_field trouble)"
}
new_machine "$S3_URL" "${READER[@]}"
in_mid_build signal_node 3 KILL
built --arg src "$EDITED" # what was on its way may come late, and is compiled
wait "$MID_BUILD"
printf '    %.1f s without it; trouble: %s\n' "$FRESH_TOOK" "$(remote_field trouble)"
expect "every object and record of its store is intact" store_is_whole
told_requests

echo "=== beside the dead node"
new_machine "$S3_URL" "${WRITER[@]}"
edited 1
built --arg src "$EDITED"
expect "reads go on" test "$COMPILED" -gt 0 -a "$COMPILED" -lt 20
expect "what is new is refused, and waits" waits_with 503
told_requests
start_node 3
node_answers 3
began=$EPOCHREALTIME
expect "it is put when the node is back" uploaded 1 300
printf '    after %.1f s\n' "$(since "$began")"
new_machine "$S3_URL" "${READER[@]}"
built --arg src "$EDITED"
expect "a fresh machine compiles next to nothing afterwards" test "$COMPILED" -lt "$FEW"
echo "summary: with two copies and a dead node reads go on, and what is put waits"
