# What Go keys by name, size and mtime, in a sandbox where every source file has mtime 1: an edit of the same size must be seen.
# Texts for Nix stay unexpanded:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
start_daemon
cp -r "$CASE_DIR/programs/small" "$WORK/src"
of_source() { small "$@" --arg src "$WORK/src"; }

echo 'package word

import _ "sort"' > "$WORK/src/word/edited.go"
echo '//go:build never

package word

const Tagged = true' > "$WORK/src/word/tagged.go"
listed='{ postBuild = "go list -f \"{{.Imports}} {{.GoFiles}}\" ./word > $NIX_BUILD_TOP/listed"; postInstall = "cp $NIX_BUILD_TOP/listed $out"; }'
first=$(of_source 1 --arg extra "$listed")
expect "the first import" grep -q 'sort' "$first/listed"
sed -i 's/"sort"/"path"/' "$WORK/src/word/edited.go"
second=$(of_source 2 --arg extra "$listed")
expect "an import changed at the same size is seen" grep -q 'path' "$second/listed"
if grep -q 'sort' "$second/listed"; then fail "and the old one is still there"; fi
sed -i 's/never/linux/' "$WORK/src/word/tagged.go"
third=$(of_source 3 --arg extra "$listed")
expect "a build tag changed at the same size is seen" grep -q tagged.go "$third/listed"

size=$(stat -c %s "$WORK/src/embedded/title.txt")
head -c "$((size - 1))" /dev/zero | tr '\0' Z > "$WORK/src/embedded/title.txt"
echo >> "$WORK/src/embedded/title.txt"
fourth=$(of_source 4 --arg extra '{ doCheck = false; }') # its test would notice
expect "an embedded file changed at the same size is in the program" grep -aqc ZZZ "$fourth/bin/small"

cp "$CASE_DIR/programs/small/embedded/title.txt" "$WORK/src/embedded/title.txt"
golden=$(find "$WORK/src/golden/testdata" -type f | head -n 1)
tr fox box < "$golden" > "$WORK/golden"
cp "$WORK/golden" "$golden"
if of_source 5 > "$WORK/out" 2> "$WORK/err"; then fail "a test passed though its golden file changed at the same size"; fi
expect "a test whose golden file changed at the same size fails" grep -q 'FAIL.*golden' "$WORK/err"
expect "the build that failed had hits" counts small-5 hits -gt 500
expect "the store is whole" store_is_whole
