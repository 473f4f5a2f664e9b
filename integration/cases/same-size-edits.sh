# What Go keys by name, size and mtime, in sandboxes where every source file has mtime 1. Each edit keeps the size. First with
# plain sharing, where the second build is wrong; then with the hook, where it is right.
# Texts for Nix stay unexpanded:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
plain_sharing
src=$WORK/src
# What go list says of a package, written to the output. Without -mod=vendor, as with it Go reads the main module's packages
# themselves and not their index.
listing() { echo "{ doCheck = false; proxyVendor = true; postInstall = \"go list -f '{{.Imports}} {{.GoFiles}} {{.EmbedPatterns}} {{.CgoCFLAGS}}' ./$1 > \$out/listed\"; }"; }

# fresh: the source as it was before any edit.
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

# try EDIT PACKAGE WORD: the word is in the listing after the edit and not before; with plain sharing it never is.
try() {
    local edit=$1 package=$2 word=$3 out builder number=0
    for builder in plain small; do
        fresh
        number=$((number + 1))
        out=$("$builder" "$edit-$number-before" --arg src "$src" --arg extra "$(listing "$package")")
        expect "$builder, $edit, before" test "$(grep -c "$word" "$out/listed")" = 0
        "edit_$edit"
        if ! out=$("$builder" "$edit-$number-after" --arg src "$src" --arg extra "$(listing "$package")"); then
            expect "plain, $edit, after: the build fails" test "$builder" = plain
        elif [ "$builder" = plain ]; then
            expect "plain, $edit, after: not seen" test "$(grep -c "$word" "$out/listed")" = 0
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
plain golden-plain-1 --arg src "$src" > /dev/null
edit_golden
expect "plain, a golden file: the test passes and must not" plain golden-plain-2 --arg src "$src"
fresh
small golden-1 --arg src "$src" > /dev/null
if small golden-fails --arg src "$src" --arg extra '{ SMALL_MUST_FAIL = "1"; }' 2> "$WORK/err"; then fail "a test passed though it reads a variable that fails it"; fi
expect "a variable: the test fails" grep -q 'SMALL_MUST_FAIL' "$WORK/err"
edit_golden
if small golden-2 --arg src "$src" 2> "$WORK/err"; then fail "a test passed though its golden file changed at the same size"; fi
expect "a golden file: the test fails" grep -q 'FAIL.*golden' "$WORK/err"
expect "the build that failed had hits" counts small-golden-2 hits -gt 500

# Another project of the same layout and sizes: nothing of the first is taken for its own.
fresh
first=$(small project-1 --arg src "$src" --arg extra "$(listing word)")
edit_import
second=$(small 1 --argstr pname other --arg src "$src" --arg extra "$(listing word)")
expect "two projects of one layout" test "$(cat "$first/listed")" != "$(cat "$second/listed")"
fresh
plain project-1 --arg src "$src" --arg extra "$(listing word)" > /dev/null
edit_import
if second=$(plain 1 --argstr pname another --arg src "$src" --arg extra "$(listing word)" 2> "$WORK/err"); then
    is "plain, two projects of one layout: the first one's" "$(cat "$first/listed")" "$(cat "$second/listed")"
else
    expect "plain, two projects of one layout: the second fails" grep -q 'could not import path' "$WORK/err"
fi

expect "the store is whole" store_is_whole
echo "summary: six edits of equal size: wrong with plain sharing, right with the hook"
