# Proves that the cache changes no result: generated histories of edits of the small program, each state built with the cache, in
# a sandbox of its own, and without any cache. Programs must be identical and tests must give the same verdicts. It builds 2
# histories of 3 states, or 32 with `integration/test --full`.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
HISTORIES=${HISTORIES:-2}
[ -z "${TEST_FULL:-}" ] || HISTORIES=32
RANDOM=4242 # the same histories in each run

# prepare DIR: the small program, with more places for edits.
prepare() {
    cp -r "$CASE_DIR/programs/small" "$1"
    printf 'package word\n\nimport _ "sort"\n\nconst Number = 1\n' > "$1/word/edited.go"
    printf '//go:build never\n\npackage word\n\nconst Tagged = true\n' > "$1/word/tagged.go"
    echo 'another text, that is embedded at times' > "$1/embedded/other.txt"
    sed -i 's|^// #include "clib.h"|// #cgo CFLAGS: -DSMALL_EXTRA=71\n&|' "$1/clib/clib.go"
    sed -i 's|^int clib_system.*|int clib_system(void) { return SMALL_SYSTEM + SMALL_EXTRA; }|' "$1/clib/clib.c"
}
digit() { echo $((RANDOM % 10)); }
# swap FILE A B: replaces A by B, or B by A.
swap() { if grep -q "$2" "$1"; then sed -i "s|$2|$3|" "$1"; else sed -i "s|$3|$2|" "$1"; fi; }
# edit DIR: makes one edit, most of them of equal size.
edit() {
    local dir=$1 extra
    case $((RANDOM % 13)) in
        0) sed -i "s/Number = ./Number = $(digit)/" "$dir/word/edited.go" ;;
        1) swap "$dir/word/edited.go" '"sort"' '"path"' ;;
        2) swap "$dir/word/tagged.go" 'build never' 'build linux' ;;
        3) swap "$dir/embedded/embedded.go" 'embed title.txt' 'embed other.txt' ;;
        4) sed -i "s/^./$(digit)/" "$dir/embedded/title.txt" ;;
        5) swap "$dir/golden/testdata/golden.txt" fox box ;;
        6) sed -i "s/SHARED_ANSWER .*/SHARED_ANSWER 4$(digit)/" "$dir/shared/answer.h" ;;
        7) sed -i "s/SMALL_EXTRA=7./SMALL_EXTRA=7$(digit)/" "$dir/clib/clib.go" ;;
        8) swap "$dir/clib/clib.c" 'return SHARED_ANSWER;' 'return SHARED_ANSWER+0;' ;;
        9) swap "$dir/golden/golden.go" '%-8s %d' '%-9s %d' ;;
        10) swap "$dir/word/word.go" 'quick brown' 'brown quick' ;;
        11) if [ -e "$dir/word/more.go" ]; then rm "$dir/word/more.go"; else printf 'package word\n\nfunc init() { println("more") }\n' > "$dir/word/more.go"; fi ;;
        12) extra=$dir/count/extra_test.go
            if [ -e "$extra" ]; then rm "$extra"; else printf 'package count\n\nimport "testing"\n\nfunc TestExtra(t *testing.T) { t.Fatal("extra") }\n' > "$extra"; fi ;;
    esac
}

mkdir "$WORK/states"
for ((history = 10; history < 10 + HISTORIES; history++)); do
    previous=
    for state in 1 2 3; do
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
extra="{ preBuild = ''unset NIX_LDFLAGS''; postInstall = ''cp /build/verdicts \$out'';
    checkPhase = ''runHook preCheck; bash \${$CASE_DIR/nix/verdicts.sh} > /build/verdicts; runHook postCheck''; }"
states=0
for dir in "$WORK/states"/*; do
    name=${dir##*/}
    with=$(small "state-$name" --arg src "$dir" --arg extra "$extra")
    for program in small withc; do
        cmp "$with/bin/$program" "$without/$name/$program" || fail "state $name: $program differs with the cache"
    done
    diff "$with/verdicts" "$without/$name/verdicts" || fail "state $name: verdicts of tests differ with the cache"
    states=$((states + 1))
done
expect "the last build had hits" counts "small-state-${name}" hits -gt 500
expect "every object and record of the store is intact" store_is_whole
echo "summary: $states states of $HISTORIES histories: programs the same to the byte, $(cat "$without"/*/verdicts | wc -l) verdicts the same ($(cat "$without"/*/verdicts | grep -c ^FAIL) of them FAIL)"
