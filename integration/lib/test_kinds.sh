# Tests whose result depends on something that Go's key leaves out, for kinds of tests. Source it after lib/kinds.sh.
# (Texts for builds are not expanded.)
# shellcheck shell=bash disable=SC2034,SC2154
set -euo pipefail

# wants EXPRESSION IMPORT...: a test that wants "1" of an expression that is evaluated before the tests.
wants() {
    local expression=$1 imports
    shift
    imports=$(printf '"%s"; ' "$@" testing)
    go_test "import ( $imports )" "var seen = $expression" 'func TestSeen(t *testing.T) { if seen != "1" { t.Fatalf("%q", seen) } }'
}
# reads FILE: an expression of what is in it.
reads() { echo "func() string { b, _ := os.ReadFile(\"$1\"); return string(b) }()"; }
# library VALUE FILE: a static library that returns it.
library() { mkdir -p "$(dirname "$2")"; echo "int lib(void) { return $1; }" | gcc -xc -c -o "$WORK/lib.o" - && rm -f "$2" && ar rcD "$2" "$WORK/lib.o"; }
# calls DIR PACKAGE LDFLAGS: a package that calls the library.
calls() { mkdir -p "$1"; printf 'package %s\n\n// #cgo LDFLAGS: %s\n// int lib(void);\nimport "C"\n\n// V returns the number of the library.\nfunc V() int { return int(C.lib()) }\n' "$2" "$3" > "$1/v.go"; }
# wants_library IMPORT-PATH: a test that wants 1 of the package that calls it.
wants_library() { go_test "import ( \"testing\"; l \"$1\" )" 'func TestLibrary(t *testing.T) { if l.V() != 1 { t.Fatal(l.V()) } }'; }
# leaves STATEMENT CHECK: a test that leaves something, and what needs it.
leaves() { go_test 'import ( "os"; "os/exec"; "testing" )' 'var _, _ = exec.Command, os.Getpid' "func TestLeaves(t *testing.T) { if err := $1; err != nil { t.Fatal(err) } }"; run="go test -vet=off .; $2"; expected=pass shared=no; }
