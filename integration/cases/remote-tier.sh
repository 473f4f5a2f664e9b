# Proves that a fresh machine with Nix and a daemon builds as if it had built before: what a trusted machine's builds used comes from a remote
# store while the build unpacks, with S3 (integration/s3_double) and, with `integration/test --full`, with nginx's WebDAV; and that
# builds pass whatever the remote store, or cacheprog-remote, does.
# (Variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/remote_engines.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/remote_daemon.sh"

need_tools curl=curl python3=python3-minimal || fail "no curl, or no python3"
remote_programs
remote_keys
mapfile -t reader < <(trusts)
mapfile -t writer < <(writes; trusts)
version=0
# built [NIX-ARG...]: a build of a new version; sets NAME, OUT, COMPILED and TOOK, in seconds. PNAME is its name without the version.
built() {
    local began=$EPOCHREALTIME
    version=$((version + 1))
    NAME=${PNAME:-small}-$version
    OUT=$(small "$version" ${PNAME:+--argstr pname "$PNAME"} "$@")
    TOOK=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    COMPILED=$(build_field "$NAME" packages_compiled)
    echo "    $NAME: $TOOK s, $COMPILED packages compiled, $(build_field "$NAME" hits) of $(build_field "$NAME" gets) gets hit"
}
# doctor_names WORDS: doctor says them of the remote store.
doctor_names() { grep -q "$1" <("$BIN/cacheprogctl" doctor --control-socket "$CONTROL" --config "$WORK/daemon.toml" --state-dir "$STATE" 2>&1 || true); }
cp -r "$CASE_DIR/programs/small" "$WORK/edited"
echo 'func added() string { return "added" }' >> "$WORK/edited/word/word.go"

# with_engine NAME URL [LINE...]: what is to hold with each engine.
with_engine() {
    local name=$1 url=$2 all edited first
    shift 2
    echo "=== $name"
    start_remote "$url" "$@"
    new_machine "$url" "${writer[@]}"
    built
    all=$COMPILED first=$OUT cold=$TOOK
    expect "the first machine compiles everything" test "$all" -gt 50
    expect "what it used is put after its end" uploaded 1

    new_machine "$url" "${reader[@]}"
    built
    # One that is on its way, and compiles sooner than it comes, is compiled.
    expect "a fresh machine compiles next to nothing" test "$COMPILED" -lt 5
    expect "its program is the same" cmp "$first/bin/small" "$OUT/bin/small"
    expect "every object and record of its store is intact" store_is_whole
    fetched=$(remote_field fetched_bytes)
    echo "    $(remote_field fetched) entries in $fetched bytes"
    built
    is "bytes that a second build fetches" 0 "$(($(remote_field fetched_bytes) - fetched))"

    # No machine built that name before: Go's own packages come.
    new_machine "$url" "${reader[@]}"
    PNAME=other built
    # Its own packages, with and without tests, are 26 of more than 200.
    expect "a build of another name compiles its own packages, and next to nothing of Go's" test "$COMPILED" -lt 35
    expect "every object and record of its store is intact" store_is_whole

    # An edit on a machine that writes adds a little.
    new_machine "$url" "${writer[@]}"
    built --arg src "$WORK/edited"
    edited=$COMPILED
    expect "an edit compiles what depends on it" test "$edited" -gt 0 -a "$edited" -lt 20
    expect "it is put" uploaded 1
    echo "    $(remote_field put_bytes) bytes put for the edit"
    new_machine "$url" "${reader[@]}"
    built --arg src "$WORK/edited"
    expect "a fresh machine compiles next to nothing after the edit" test "$COMPILED" -lt 5

    if [ -n "${TEST_FULL:-}" ]; then
        mapfile -t stranger < <(trusts "$OTHER")
        new_machine "$url" "${stranger[@]}"
        built
        is "packages that a machine compiles which trusts another key" "$all" "$COMPILED"
    fi
}
if [ -n "${TEST_FULL:-}" ]; then # case remote-without-nix has both engines in each run
    start_nginx
    with_engine nginx "$NGINX_URL"
fi
start_s3_double
with_engine s3 "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'"

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
while IFS='|' read -r what rule expected; do
    start_remote "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'" # no breaker is open from before
    new_machine "$S3_URL" "${reader[@]}"
    fault "$rule"
    built --arg src "$WORK/edited"
    echo "    $what: $TOOK s; $cold s on the first machine, where nothing was there"
    [ "$expected" = all ] || expect "$what: the build compiles" test "$COMPILED" -gt 0
    [ "$expected" = all ] || [ "$what" = 404 ] || expect "$what: the status tells" tells
    [ "$expected" = all ] || [ "$what" = 404 ] || expect "$what: doctor names it" doctor_names 'the remote store'
    expect "$what: every object and record is intact" store_is_whole
    fault none
done < <(if [ -n "${TEST_FULL:-}" ]; then cat "$CASE_DIR/lib/remote_faults.txt"; else grep '^a body that drips|' "$CASE_DIR/lib/remote_faults.txt"; fi)

echo "=== cacheprog-remote is gone in mid-build"
start_remote "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'"
new_machine "$S3_URL" "${reader[@]}"
(sleep 1; kill -KILL "$REMOTE_PID") &
built
expect "doctor names it" doctor_names 'the remote store'
echo "summary: a fresh machine compiles next to nothing; builds pass whatever the remote store does"
