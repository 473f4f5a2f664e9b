# Proves that the cache changes no result: generated histories of edits of the small program, each state built with the cache, in
# a sandbox of its own, explicit and transparent in turn, and without any cache. Programs must be identical, and tests and vet must
# give the same verdicts. It builds one history of 2 states, or 32 with `integration/test --full`.
# Edits are those of lib/edits.sh: Go, C, assembly, headers, data, links, and settings of the go commands.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
HISTORIES=${HISTORIES:-1} STATES=(1 2)
[ -z "${TEST_FULL:-}" ] || HISTORIES=32 STATES=(1 2 3)
RANDOM=4242 # the same histories in each run

# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/edits.sh"

mkdir "$WORK/states"
for ((history = 10; history < 10 + HISTORIES; history++)); do
    previous=
    for state in "${STATES[@]}"; do
        dir=$WORK/states/$history-$state
        if [ -z "$previous" ]; then
            prepare "$dir"
            for _ in 1 2 3; do edit "$dir"; done
        else
            cp -r "$previous" "$dir"
            while diff -rq "$previous" "$dir" > /dev/null; do edit "$dir"; done
        fi
        previous=$dir
    done
done
without=$(nixbuild "$CASE_DIR/nix/states.nix" --argstr gosdk "$SDK" --argstr states "$WORK/states" 2> "$WORK/states.log") ||
    { tail -n 30 "$WORK/states.log" >&2; fail "building the states without a cache"; }
expect "some tests fail" grep -rq ^FAIL "$without" --include=verdicts
transparent_hook
# built STATE: with the cache, in the next mode.
built() {
    local extra mode=(--arg withHook true)
    # Texts of phases are no variables that count.
    extra="{ proxyVendor = true; excludedPackages = [ \"nested\" ]; preBuild = ''unset NIX_LDFLAGS; $(cat "$WORK/states/$1/settings")''; postInstall = ''cp /build/verdicts \$out'';
        checkPhase = ''runHook preCheck; bash \${$CASE_DIR/nix/verdicts.sh} > /build/verdicts; runHook postCheck''; }"
    [ $((states % 2)) = 0 ] || mode=(--arg withHook false)
    small "state-$1" --arg src "$WORK/states/$1/source" --arg extra "$extra" "${mode[@]}"
}
states=0
for dir in "$WORK/states"/*; do
    name=${dir##*/}
    export PRE_BUILD_HOOK=$WORK/transparent
    [ $((states % 2)) = 1 ] || PRE_BUILD_HOOK=$WORK/hook
    with=$(built "$name")
    for program in small withc; do
        cmp "$with/bin/$program" "$without/$name/$program" || fail "state $name: $program differs with the cache"
    done
    diff "$with/verdicts" "$without/$name/verdicts" || fail "state $name: verdicts of tests differ with the cache"
    states=$((states + 1))
done
expect "the last build had hits" counts "small-state-${name}" hits -gt 500
expect "every object and record of the store is intact" store_is_whole
echo "summary: $states states of $HISTORIES histories: programs the same to the byte, $(cat "$without"/*/verdicts | wc -l) verdicts the same ($(cat "$without"/*/verdicts | grep -c ^FAIL) of them FAIL)"
