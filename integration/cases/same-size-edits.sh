# Proves that edits are seen which keep size and mtime: Go keys some results by name, size and mtime, and in a sandbox every source
# file has mtime 1. With naive sharing the second build is wrong; with the hook it is right.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
naive_sharing
src=$WORK/src
# listing PACKAGE: attributes with which the output of go list for a package is written to the output. Without -mod=vendor, since
# with it Go reads the packages of the main module and not their index.
listing() { echo "{ doCheck = false; proxyVendor = true; postInstall = \"go list -f '{{.Imports}} {{.GoFiles}} {{.EmbedPatterns}} {{.CgoCFLAGS}}' ./$1 > \$out/listed\"; }"; }

# fresh: restores the source.
fresh() {
    rm -rf "$src"
    cp -r "$CASE_DIR/programs/small" "$src"
    printf 'package word\n\nimport _ "sort"\n' > "$src/word/edited.go"
    printf '//go:build never\n\npackage word\n\nconst Tagged = true\n' > "$src/word/tagged.go"
    echo 'another text, which is embedded later' > "$src/embedded/other.txt"
    sed -i 's|^// #include "clib.h"|// #cgo CFLAGS: -DSMALL_EXTRA=71\n&|' "$src/clib/clib.go"
    sed -i 's|^int clib_system.*|int clib_system(void) { return SMALL_EXTRA; }|' "$src/clib/clib.c"
}
edit_import() { sed -i 's/"sort"/"path"/' "$src/word/edited.go"; }
edit_tag() { sed -i 's/never/linux/' "$src/word/tagged.go"; }
edit_embed() { sed -i 's/go:embed title.txt/go:embed other.txt/' "$src/embedded/embedded.go"; }
edit_preamble() { sed -i 's/SMALL_EXTRA=71/SMALL_EXTRA=72/' "$src/clib/clib.go"; }

# try EDIT PACKAGE WORD: the listing has the word after the edit and not before; with naive sharing it never has it.
try() {
    local edit=$1 package=$2 word=$3 out builder number=0
    for builder in naive small; do
        fresh
        number=$((number + 1))
        out=$("$builder" "$edit-$number-before" --arg src "$src" --arg extra "$(listing "$package")")
        expect "$builder, $edit, before" test "$(grep -c "$word" "$out/listed")" = 0
        "edit_$edit"
        if ! out=$("$builder" "$edit-$number-after" --arg src "$src" --arg extra "$(listing "$package")"); then
            expect "naive, $edit, after: the build fails" test "$builder" = naive
        elif [ "$builder" = naive ]; then
            expect "naive, $edit, after: not seen" test "$(grep -c "$word" "$out/listed")" = 0
        else
            expect "with the hook, $edit, after: seen" grep -q "$word" "$out/listed"
        fi
    done
}
grep -q 'go:embed title.txt' "$CASE_DIR/programs/small/embedded/embedded.go" || fail "the program embeds another file"
try import word path
try tag word tagged.go
try embed embedded other.txt
try preamble clib SMALL_EXTRA=72

# A golden file changed at the same size under an unchanged test, and an environment variable that the test reads.
edit_golden() { sed -i 's/fox/box/' "$src/golden/testdata/golden.txt"; }
fresh
naive golden-naive-1 --arg src "$src" > /dev/null
edit_golden
expect "naive, a golden file: the test passes and must not" naive golden-naive-2 --arg src "$src"
fresh
small golden-1 --arg src "$src" > /dev/null
if small golden-fails --arg src "$src" --arg extra '{ SMALL_MUST_FAIL = "1"; }' 2> "$WORK/err"; then fail "a test passed though it reads a variable that fails it"; fi
expect "a variable: the test fails" grep -q 'SMALL_MUST_FAIL' "$WORK/err"
edit_golden
if small golden-2 --arg src "$src" 2> "$WORK/err"; then fail "a test passed though its golden file changed at the same size"; fi
expect "a golden file: the test fails" grep -q 'FAIL.*golden' "$WORK/err"
expect "the build that failed had hits" counts small-golden-2 hits -gt 500

# Another project of the same layout and sizes: results of the first are not used for it.
fresh
first=$(small project-1 --arg src "$src" --arg extra "$(listing word)")
edit_import
second=$(small 1 --argstr pname other --arg src "$src" --arg extra "$(listing word)")
expect "two projects of one layout have different listings" test "$(cat "$first/listed")" != "$(cat "$second/listed")"
fresh
naive project-1 --arg src "$src" --arg extra "$(listing word)" > /dev/null
edit_import
if second=$(naive 1 --argstr pname another --arg src "$src" --arg extra "$(listing word)" 2> "$WORK/err"); then
    is "naive, two projects of one layout: the first one's" "$(cat "$first/listed")" "$(cat "$second/listed")"
else
    expect "naive, two projects of one layout: the second fails" grep -q 'could not import path' "$WORK/err"
fi

expect "every object and record of the store is intact" store_is_whole
echo "summary: six edits of equal size: wrong with naive sharing, right with the hook"
