# Proves in real Nix sandboxes what condition-*.sh plays: assembly that includes a header, a dependency that is linked into the
# tree, a header that buildPhase makes, `-toolexec`, and a test of a program that it builds: each is changed between two builds.
# Edits that C does not depend on compile no C again.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
src=$WORK/src
# program KIND: a main program that prints V of package `a`, which the caller writes.
program() {
    rm -rf "$src"
    mkdir -p "$src/a" "$src/inc"
    printf 'module example.test/%s\n\ngo 1.21\n' "$1" > "$src/go.mod"
    printf 'package main\n\nimport a "example.test/%s/a"\n\nfunc main() { println(a.V()) }\n' "$1" > "$src/main.go"
    echo read > "$src/README"
}
c() { printf 'package a\n\n/*\n%s\nstatic int getv(void) { return V; }\n*/\nimport "C"\n\n// V returns the number of C.\nfunc V() int { return int(C.getv()) }\n' "$1" > "$src/a/a.go"; }
# printed KIND NAME [ATTRIBUTES]: builds it; prints what its program prints.
printed() {
    local out
    out=$(small "$2" --arg src "$src" --arg extra "{ doCheck = false; ${3:-} }")
    "$out/bin/$1" 2>&1
}
# unchanged NAME: that build compiled nothing but its program.
unchanged() { expect "an unchanged build compiles nothing" counts "small-$1" packages_compiled -eq 0; }

echo "=== assembly that includes a header of the module"
program assembly
printf 'package a\n\n// V returns the number of the assembly.\nfunc V() int\n' > "$src/a/a.go"
printf '#include "textflag.h"\n#include "../inc/v.h"\nTEXT ·V(SB),NOSPLIT,$0-8\n\tMOVQ $V, ret+0(FP)\n\tRET\n' > "$src/a/a_amd64.s"
for value in 1 2; do
    echo "#define V $value" > "$src/inc/v.h"
    is "assembly" $value "$(printed assembly "assembly-$value")"
done
is "assembly, again" 2 "$(printed assembly assembly-3)"
unchanged assembly-3

echo "=== a dependency that is linked into the tree"
program linked
c '#cgo CFLAGS: -I${SRCDIR}/../third_party/v
#include "v.h"'
for value in 1 2; do
    mkdir -p "$WORK/dependency-$value"
    echo "#define V $value" > "$WORK/dependency-$value/v.h"
    is "linked" $value "$(printed linked "linked-$value" "dependency = builtins.path { name = \"v\"; path = $WORK/dependency-$value; }; postConfigure = \"mkdir third_party; ln -s \$dependency third_party/v\";")"
done

echo "=== a header that buildPhase makes"
program made
c '#include "../inc/v.h"'
for value in 1 2; do is "made" $value "$(printed made "made-$value" "buildPhase = \"runHook preBuild; echo '#define V $value' > inc/v.h; go install .; runHook postBuild\";")"; done

echo "=== a tool of -toolexec in the tree"
program tool
printf 'package a\n\n// V returns the number.\nfunc V() int { return 7 }\n' > "$src/a/a.go"
for value in 1 2; do
    printf '#!/bin/bash\narguments=()\nfor argument in "$@"; do\n    case $argument in */a.go) sed s/7/%s/ "$argument" > "$NIX_BUILD_TOP/a.go"; argument=$NIX_BUILD_TOP/a.go ;; esac\n    arguments+=("$argument")\ndone\nexec "${arguments[@]}"\n' $value > "$src/tool.sh"
    chmod 755 "$src/tool.sh"
    is "tool" $value "$(printed tool "tool-$value" 'buildPhase = "runHook preBuild; go install -toolexec=$PWD/tool.sh .; runHook postBuild";')"
done

echo "=== a test of a program that it builds"
program built
printf 'package a\n\n// V returns the number.\nfunc V() int { return 7 }\n' > "$src/a/a.go"
mkdir -p "$src/cmd/v"
cat > "$src/built_test.go" << 'GO'
package main

import (
	"os/exec"
	"testing"
)

func TestBuilt(t *testing.T) {
	program := t.TempDir() + "/v"
	if text, err := exec.Command("go", "build", "-o", program, "./cmd/v").CombinedOutput(); err != nil {
		t.Fatal(string(text))
	}
	if text, _ := exec.Command(program).CombinedOutput(); string(text) != "1" {
		t.Fatalf("the program prints %q", text)
	}
}
GO
v() { printf 'package main\n\nfunc main() { print(%s) }\n' "$1" > "$src/cmd/v/main.go"; }
v 1
expect "the test passes" small built-1 --arg src "$src" --arg extra '{ }'
v 2
if small built-2 --arg src "$src" --arg extra '{ }' > /dev/null 2> "$WORK/err"; then fail "a test of another program passed"; fi
expect "of another program it fails" grep -q 'the program prints .*2' "$WORK/err"

echo "=== edits that C does not depend on"
rm -rf "$src"
cp -r "$CASE_DIR/programs/small" "$src"
mkdir -p "$src/vendored" && printf 'module dep.test/c\n\ngo 1.21\n' > "$src/vendored/go.mod"
printf 'package c\n\n// static int one(void) { return 1; }\nimport "C"\n\n// One is 1.\nfunc One() int { return int(C.one()) }\n' > "$src/vendored/c.go"
printf '\nrequire dep.test/c v1.0.0\n\nreplace dep.test/c => ./vendored\n' >> "$src/go.mod"
printf 'package main\n\nimport _ "dep.test/c"\n' > "$src/cmd/withc/dep.go"
# build NAME: builds it; COMPILED is the number of packages that it compiled.
build() { small "$1" --arg src "$src" --arg extra '{ doCheck = false; subPackages = [ "cmd/withc" ]; proxyVendor = true; }' > /dev/null && COMPILED=$(build_field "small-$1" packages_compiled); }
build edits-1
build edits-2
is "compiled after no edit" 0 "$COMPILED"
sed -i 's/Println(/Println("edited", /' "$src/cmd/withc/main.go"
build edits-3
is "compiled after an edit of the main package" 1 "$COMPILED"
echo more >> "$src/README.md"
build edits-4
# The module's own package with C depends on all of the module's files but Go sources; its dependency does not.
is "compiled after an edit of the README" 1 "$COMPILED"
expect "every object and record of the store is intact" store_is_whole
echo "summary: assembly, links, generated headers, tools and tests are right in real sandboxes, and C is compiled again only for its module"
