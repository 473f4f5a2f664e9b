# Proves that machines share what builds used through a cluster of OpenStack Swift with three nodes, and that a build passes, and the next one
# hits, where a node is killed or stands still in the middle of it.
# With --remote: it installs Swift (80 MB), and its servers take 700 MB of memory.
# Exclusive: it tells how long builds take, and a cluster is slow on a busy machine.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/with_engine.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/engine_swift.sh"

began=$EPOCHREALTIME
start_swift
printf '    three nodes answer after %.1f s\n' "$(since "$began")"
settings=("endpoint = '$S3_ADDRESS'" "region = '$S3_REGION'")
expect "the store can be used" "$BIN/cacheprog-remote" test --url "$S3_URL" --write
with_engine swift "$S3_URL" "${settings[@]}"

# with_fault WHAT N SIGNAL BACK: the third node gets the signal in the middle of a build of the n-th edit on a fresh machine, which puts what is
# new in it beside that node; BACK brings the node back.
with_fault() {
    local what=$1 signal=$3 back=$4 began
    echo "=== $what"
    start_remote "$S3_URL" "${settings[@]}"
    new_machine "$S3_URL" "${WRITER[@]}"
    edited "$2"
    in_mid_build signal_node 3 "$signal"
    built --arg src "$EDITED"
    wait "$MID_BUILD"
    printf '    %.1f s without it; trouble: %s\n' "$EDIT_TOOK" "$(remote_field trouble)"
    told_requests
    expect "every object and record of its store is intact" store_is_whole
    began=$EPOCHREALTIME
    expect "what is new is put while the node is away" uploaded 1 300
    printf '    put after %.1f s\n' "$(since "$began")"
    told_requests
    new_machine "$S3_URL" "${READER[@]}"
    built --arg src "$EDITED"
    printf '    the next fresh machine, with the node away; %.1f s without this fault; trouble: %s\n' "$FRESH_TOOK" "$(remote_field trouble)"
    BESIDE=$COMPILED
    "$back" 3
    node_answers 3
    cluster_heals
    start_remote "$S3_URL" "${settings[@]}" # no breaker is open from before
    new_machine "$S3_URL" "${READER[@]}"
    built --arg src "$EDITED"
    expect "a fresh machine compiles next to nothing afterwards" test "$COMPILED" -lt "$FEW"
}
goes_on() { signal_node "$1" CONT; }
with_fault "a node is killed in mid-build" 1 KILL start_node
expect "a fresh machine compiles next to nothing while a node is dead" test "$BESIDE" -lt "$FEW"
with_fault "a node stands still in mid-build" 2 STOP goes_on
echo "summary: a node of three that is killed, or stands still, fails no build"
