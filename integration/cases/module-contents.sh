# Proves that modules with the same key and other contents are kept apart. Go keys the index of a module in GOMODCACHE by its path
# alone. Two builds with proxyVendor have one module@version with different contents; two others differ in the major version, at
# equal lengths. With naive sharing the second build is wrong or fails; with the hook it is right.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
naive_sharing
(cd "$CASE_DIR/programs/fileproxy" && GOFLAGS='' GOCACHEPROG='' go build -o "$WORK/fileproxy" .)

# tree NAME MODULE VERSION IMPORT: makes a module tree with one module, whose package prints with functions of IMPORT.
tree() {
    local dir=$WORK/dep-$1 call
    rm -rf "$dir" && mkdir "$dir"
    case $4 in strings) call='strings.ToLower("LOWER")' ;; unicode) call='string(unicode.ToUpper(97))' ;; esac
    printf 'module %s\n\ngo 1.21\n' "$2" > "$dir/go.mod"
    printf 'package dep\n\nimport "%s"\n\nfunc Say() { println(%s) }\n' "$4" "$call" > "$dir/dep.go"
    "$WORK/fileproxy" "$WORK/tree-$1" "$2" "$3" "$dir"
}
# program MODULE VERSION: makes the source of a program that needs it.
program() {
    rm -rf "$WORK/src" && mkdir "$WORK/src"
    printf 'module example.test/user\n\ngo 1.21\n\nrequire %s %s\n' "$1" "$2" > "$WORK/src/go.mod"
    printf 'package main\n\nimport dep "%s"\n\nfunc main() { dep.Say() }\n' "$1" > "$WORK/src/main.go"
}
# built BUILDER VERSION TREE: builds the program; prints its output.
built() {
    local out extra
    # There is no go.sum for modules that only exist here.
    extra="{ goModules = builtins.path { name = \"modules\"; path = $WORK/tree-$3; }; vendorHash = \"given\"; proxyVendor = true; doCheck = false; GOFLAGS = [ \"-mod=mod\" ]; }"
    out=$("$1" "$2" --arg src "$WORK/src" --arg extra "$extra") || return 1
    "$out/bin/user" 2>&1
}

tree one example.test/dep v1.0.0 strings
tree two example.test/dep v1.0.0 unicode
program example.test/dep v1.0.0
is "naive sharing, the first content" lower "$(built naive contents-1 one)"
if output=$(built naive contents-2 two 2> "$WORK/err"); then is "naive sharing, the second content: the first one, which is wrong" lower "$output"; else
    expect "naive sharing, the second content: the build fails" grep -q 'could not import' "$WORK/err"
fi
is "the first content" lower "$(built small contents-3 one)"
is "the second content" A "$(built small contents-4 two)"

tree v2 example.test/dep/v2 v2.0.0 strings
tree v3 example.test/dep/v3 v3.0.0 unicode
program example.test/dep/v2 v2.0.0
is "naive sharing, major version 2" lower "$(built naive major-1 v2)"
program example.test/dep/v3 v3.0.0
if output=$(built naive major-2 v3 2> "$WORK/err"); then is "naive sharing, major version 3: version 2, which is wrong" lower "$output"; else
    expect "naive sharing, major version 3: the build fails" grep -qE 'dep/v2|could not import' "$WORK/err"
fi
program example.test/dep/v2 v2.0.0
is "major version 2" lower "$(built small major-3 v2)"
program example.test/dep/v3 v3.0.0
is "major version 3" A "$(built small major-4 v3)"
expect "every object and record of the store is intact" store_is_whole
echo "summary: one module@version of two contents, and a major version: wrong with naive sharing, right with the hook"
