# Proves that inputs of cgo which Go's keys do not contain are seen: a header in a sibling directory of the tree, a header that
# preBuild makes, a header in a build input, the flags of the compiler wrapper, a static library in each of these places. Each
# is changed at the same size between two builds. With naive sharing the second build is wrong; with the hook it is right.
# With --full: condition-files and condition-settings have the same kinds and more, in sandboxes that are played, and condition-sandboxes in real ones.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
cp -r "$CASE_DIR/programs/small" "$WORK/src"
mkdir "$WORK/include-1" "$WORK/include-2"
echo '#define SMALL_SYSTEM 71' > "$WORK/include-1/small_system.h"
echo '#define SMALL_SYSTEM 72' > "$WORK/include-2/small_system.h"

# with_c VERSION ATTRIBUTES [NIX-ARG...]: builds WORK/src; prints the output of the program with C.
with_c() {
    local out
    out=$(small "$1" --arg src "$WORK/src" --arg extra "{ $NO_TESTS $2 }" "${@:3}")
    "$out/bin/withc"
}
naive_sharing
# The same with naive sharing.
stale() {
    local version=$1 out
    shift
    out=$(naive "$version" --arg src "$WORK/src" "$@")
    "$out/bin/withc"
}
answer() { sed -i "s/SHARED_ANSWER [0-9]*/SHARED_ANSWER $1/" "$WORK/src/shared/answer.h"; }

no_check='{ doCheck = false; }'
answer 41
is "a header of the tree, naive, first" "41 0" "$(stale tree-naive-1 --arg extra "$no_check")"
answer 42
is "a header of the tree, naive, changed: stale" "41 0" "$(stale tree-naive-2 --arg extra "$no_check")"
answer 51
is "a header of the tree, first" "51 0" "$(with_c tree-1 "")"
answer 52
is "a header of the tree, changed" "52 0" "$(with_c tree-2 "")"
is "unchanged" "52 0" "$(with_c tree-3 "")"
puts=$(($(build_field small-tree-3 puts) - $(build_field small-tree-3 private_puts)))
expect "an unchanged build compiles no C again ($puts puts)" test "$puts" -le 20

make_header() { echo "sed -i \"s/SHARED_ANSWER [0-9]*/SHARED_ANSWER $1/\" shared/answer.h"; }
is "made by preBuild, naive: stale" "41 0" "$(stale made-naive --arg extra "{ doCheck = false; preBuild = ''$(make_header 61)''; }")"
is "made by preBuild, first" "63 0" "$(with_c made-1 "preBuild = ''$(make_header 63)'';")"
is "made by preBuild, changed" "64 0" "$(with_c made-2 "preBuild = ''$(make_header 64)'';")"

answer 10
flags() { echo "NIX_CFLAGS_COMPILE = \"-isystem \${builtins.path { name = \"include\"; path = $WORK/include-$1; }}\";"; }
is "a header elsewhere, naive: stale" "41 0" "$(stale flags-naive --arg extra "{ doCheck = false; $(flags 2) }")"
is "a header elsewhere, first" "10 71" "$(with_c flags-1 "$(flags 1)")"
is "a header elsewhere, changed" "10 72" "$(with_c flags-2 "$(flags 2)")"
wrapper() { echo "{ ccFlags = \"-isystem \${builtins.path { name = \"include\"; path = $WORK/include-$1; }}\"; }"; }
is "the compiler wrapper, naive: stale" "41 0" "$(stale wrapper-naive --arg extra "$no_check" --arg stub "$(wrapper 2)")"
is "the compiler wrapper, first" "10 71" "$(with_c wrapper-1 "" --arg stub "$(wrapper 1)")"
is "the compiler wrapper, changed" "10 72" "$(with_c wrapper-2 "" --arg stub "$(wrapper 2)")"

# A static library. Each build links its programs again; but a test result is reused where its keys are the same. The test
# expects 81 and must fail with a library that returns 82.
sed -i 's|^// #include "clib.h"|// #cgo LDFLAGS: -lsmallx\n&|' "$WORK/src/clib/clib.go"
sed -i 's|^int clib_system.*|int small_lib(void);\nint clib_system(void) { return small_lib(); }|' "$WORK/src/clib/clib.c"
printf 'package clib\n\nimport "testing"\n\nfunc TestSystem(t *testing.T) {\n\tif System() != 81 {\n\t\tt.Fatal("the library says ", System())\n\t}\n}\n' > "$WORK/src/clib/lib_test.go"
# library NUMBER DIR: makes libsmallx.a in DIR, which returns NUMBER.
library() {
    mkdir -p "$2"
    echo "int small_lib(void) { return $1; }" | gcc -xc -c -o "$WORK/smallx.o" -
    rm -f "$2/libsmallx.a"
    ar rcD "$2/libsmallx.a" "$WORK/smallx.o"
}
only='subPackages = [ "cmd/withc" "clib" ];'
in_tree() { library "$1" "$WORK/src/libs" && echo "{ $only NIX_LDFLAGS = \"-L/build/small-source/libs\"; }"; }
outside() { library "$1" "$WORK/lib-$1" && echo "{ $only NIX_LDFLAGS = \"-L\${builtins.path { name = \"smallx\"; path = $WORK/lib-$1; }}\"; }"; }
made() {
    echo "{ $only NIX_LDFLAGS = \"-L/build/made\"; preBuild = ''mkdir /build/made; echo 'int small_lib(void) { return $1; }' | gcc -xc -c -o /build/made/x.o -; ar rcD /build/made/libsmallx.a /build/made/x.o''; }"
}
for place in in_tree outside made; do
    naive "$place-naive-1" --arg src "$WORK/src" --arg extra "$("$place" 81)" > /dev/null
    extra=$("$place" 82)
    expect "a library ($place), naive, changed: the test passes and must not" naive "$place-naive-2" --arg src "$WORK/src" --arg extra "$extra"
    extra=$("$place" 81)
    expect "a library ($place)" small "$place-1" --arg src "$WORK/src" --arg extra "$extra"
    extra=$("$place" 82)
    if small "$place-2" --arg src "$WORK/src" --arg extra "$extra" > /dev/null 2> "$WORK/err"; then fail "a library ($place): its change is not seen"; fi
    expect "a library ($place), changed: the test fails" grep -q 'the library says' "$WORK/err"
    rm -rf "$WORK/src/libs"
done
rm "$WORK/src/clib/lib_test.go"
cp "$CASE_DIR/programs/small/clib/"* "$WORK/src/clib/"

# Without -trimpath the flags would be recorded in the program; it has to be the same as without the cache.
untrimmed='{ allowGoReference = true; doCheck = false; }'
cached=$(small untrimmed --arg src "$WORK/src" --arg extra "$untrimmed")
without=$(small untrimmed --arg src "$WORK/src" --arg withHook false --arg extra "$untrimmed")
expect "a program built without -trimpath is the same" cmp "$cached/bin/small" "$without/bin/small"
# Tests of a run with --full have put the same packages.
used() { counts small-untrimmed puts -gt 50 || counts small-untrimmed hits -gt 50; }
expect "that build used the cache" used
expect "every object and record of the store is intact" store_is_whole
echo "summary: headers, flags and libraries behind cgo: wrong with naive sharing, right with the hook"
