# Two toolchains with the same version line and different compilers: Go knows a compiler by that line only. The second one leaves
# out bounds checks, which a program can tell. With plain sharing it is served what the first compiled.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
plain_sharing
goroot=$WORK/sdk
cp -r "$(go env GOROOT)" "$goroot"
chmod -R u+w "$goroot"
tool=$("$goroot/bin/go" env GOTOOLDIR)
mv "$tool/compile" "$tool/compile-real"
cat > "$tool/compile" << 'COMPILE'
#!/bin/bash
case $1 in
    -V*) exec -a compile "$0-real" "$@" ;;
    *) exec "$0-real" -B "$@" ;;
esac
COMPILE
chmod 755 "$tool/compile"
is "the two say the same of themselves" "$(go tool compile -V=full)" "$("$tool/compile" -V=full)"
other=$(add_go_to_store "$goroot")

mkdir "$WORK/src"
printf 'module example.test/bounds\n\ngo 1.21\n' > "$WORK/src/go.mod"
cat > "$WORK/src/main.go" << 'GO'
package main

import "os"

var table = make([]int, 3, 64)

func main() {
	defer func() { println(recover() != nil) }()
	table[len(os.Args)+8] = 1
}
GO
# checked BUILDER VERSION SDK: whether the program checks bounds.
checked() {
    local out
    out=$(SDK=$3 "$1" "$2" --arg src "$WORK/src" --arg extra '{ doCheck = false; }')
    "$out/bin/bounds" 2>&1
}
is "plain, the first compiler" true "$(checked plain plain-1 "$SDK")"
is "plain, the second: what the first compiled" true "$(checked plain plain-2 "$other")"
is "the first compiler" true "$(checked small 1 "$SDK")"
is "the second" false "$(checked small 2 "$other")"
is "the first again" true "$(checked small 3 "$SDK")"
expect "which hits" counts small-3 hits -gt 20
expect "the store is whole" store_is_whole
