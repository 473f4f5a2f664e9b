# Machines that share a remote store, with programs and keys, and what is to hold with each engine that it is on: fresh machines build as those that
# built before. Source it after lib/case.sh. Reads WORK, SDK and CASE_DIR.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/stats.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/remote_engines.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/remote_daemon.sh"
remote_programs
remote_keys

# Settings of machines that take, and of those that put as well.
mapfile -t READER < <(trusts)
mapfile -t WRITER < <(writes; trusts)
VERSION=0
# A machine that has almost everything compiles fewer packages than this: what is on its way, and is compiled sooner than it comes. An edit
# compiles 11.
FEW=10

# built [NIX-ARG...]: a build of a new version; sets NAME, OUT, COMPILED and TOOK, its seconds. PNAME is its name without the version.
built() {
    local began=$EPOCHREALTIME
    VERSION=$((VERSION + 1))
    NAME=${PNAME:-small}-$VERSION
    OUT=$(small "$VERSION" ${PNAME:+--argstr pname "$PNAME"} "$@")
    TOOK=$(since "$began")
    COMPILED=$(build_field "$NAME" packages_compiled)
    printf '    %s: %s packages compiled, %s of %s gets hit, %.1f s\n' "$NAME" "$COMPILED" "$(build_field "$NAME" hits)" "$(build_field "$NAME" gets)" "$TOOK"
}

# edited N: sets EDITED, the program after its n-th edit.
edited() {
    EDITED=$WORK/edited-$1
    [ ! -e "$EDITED" ] || return 0
    cp -r "$CASE_DIR/programs/small" "$EDITED"
    echo "func added$1() string { return \"added\" }" >> "$EDITED/word/word.go"
}

# with_engine NAME URL [LINE...]: the lines are settings of cacheprog-remote. An engine that counts has engine_requests. Sets EDIT_TOOK and
# FRESH_TOOK, the seconds of a build of an edit on a fresh machine, and of the next fresh machine's.
with_engine() {
    local name=$1 url=$2 all first fetched
    shift 2
    echo "=== $name"
    start_remote "$url" "$@"
    new_machine "$url" "${WRITER[@]}"
    built
    all=$COMPILED first=$OUT
    expect "the first machine compiles everything" test "$all" -gt 50
    expect "what it used is put after its end" uploaded 1
    told_requests

    new_machine "$url" "${READER[@]}"
    built
    expect "a fresh machine compiles next to nothing" test "$COMPILED" -lt "$FEW"
    expect "its program is the same" cmp "$first/bin/small" "$OUT/bin/small"
    expect "every object and record of its store is intact" store_is_whole
    fetched=$(remote_field fetched_bytes)
    echo "    $(remote_field fetched) entries in $fetched bytes"
    told_requests
    built
    is "bytes that a second build fetches" 0 "$(($(remote_field fetched_bytes) - fetched))"

    # No machine built that name before: Go's own packages come. Its own, with and without tests, are 26 of more than 200.
    new_machine "$url" "${READER[@]}"
    PNAME=other built
    expect "a build of another name compiles its own packages, and next to nothing of Go's" test "$COMPILED" -lt 35
    expect "every object and record of its store is intact" store_is_whole

    # An edit on a machine that writes adds a little.
    edited 0
    new_machine "$url" "${WRITER[@]}"
    built --arg src "$EDITED"
    EDIT_TOOK=$TOOK
    expect "an edit compiles what depends on it" test "$COMPILED" -gt 0 -a "$COMPILED" -lt 20
    expect "it is put" uploaded 1
    echo "    $(remote_field put_bytes) bytes put for the edit"
    told_requests
    new_machine "$url" "${READER[@]}"
    built --arg src "$EDITED"
    FRESH_TOOK=$TOOK
    expect "a fresh machine compiles next to nothing after the edit" test "$COMPILED" -lt "$FEW"

    if [ -n "${TEST_FULL:-}" ]; then
        mapfile -t stranger < <(trusts "$OTHER")
        new_machine "$url" "${stranger[@]}"
        built
        is "packages that a machine compiles which trusts another key" "$all" "$COMPILED"
    fi
}
told_requests() { if declare -F engine_requests > /dev/null; then echo "    requests: $(engine_requests)"; fi; }

# in_mid_build COMMAND...: runs the command as soon as the build that comes next is registered, which is when what it needs begins to come.
in_mid_build() {
    local name=small-$((VERSION + 1))
    (
        until [ -n "$(build_field "$name" id 2> /dev/null)" ]; do sleep 0.02; done
        "$@"
    ) &
    MID_BUILD=$!
}
