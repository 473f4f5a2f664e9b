# Proves that two compilers with the same version line are kept apart: Go identifies a compiler by that line only. The second
# compiler omits bounds checks, which a program can detect. With naive sharing it gets outputs of the first.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
naive_sharing
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
is "both compilers have the same version line" "$(go tool compile -V=full)" "$("$tool/compile" -V=full)"
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
# checked BUILDER VERSION SDK: prints whether the program checks bounds.
checked() {
    local out
    out=$(SDK=$3 "$1" "$2" --arg src "$WORK/src" --arg extra '{ doCheck = false; }')
    "$out/bin/bounds" 2>&1
}
is "naive sharing, the first compiler" true "$(checked naive naive-1 "$SDK")"
is "naive sharing, the second compiler: the output of the first" true "$(checked naive naive-2 "$other")"
is "the first compiler" true "$(checked small 1 "$SDK")"
is "the second compiler" false "$(checked small 2 "$other")"
is "the first compiler again" true "$(checked small 3 "$SDK")"
expect "that build hits" counts small-3 hits -gt 20
expect "every object and record of the store is intact" store_is_whole
