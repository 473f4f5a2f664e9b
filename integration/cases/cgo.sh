# C that Go's keys do not know of: a header in a sibling directory of the tree, one that preBuild makes, a header in a build
# input, the flags of the compiler wrapper. Each is changed at the same size between two builds. With plain sharing (the
# client set by hand, without the setup hook's marker) the second build is wrong; with the hook it is right.
# Texts for Nix stay unexpanded:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
start_daemon
cp -r "$CASE_DIR/programs/small" "$WORK/src"
mkdir "$WORK/include-1" "$WORK/include-2"
echo '#define SMALL_SYSTEM 71' > "$WORK/include-1/small_system.h"
echo '#define SMALL_SYSTEM 72' > "$WORK/include-2/small_system.h"

# with_c VERSION [NIX-ARG...]: what the program with C in it prints, built from WORK/src.
with_c() {
    local out
    out=$(small "$@" --arg src "$WORK/src")
    "$out/bin/withc"
}
# The same by a derivation that uses the client without the hook, as plain sharing would.
plain() {
    local version=$1 extra=${2:-}
    local out
    out=$(small "$version" --arg src "$WORK/src" --arg withHook false ${3:+--arg standin "$3"} --arg extra \
        "{ NIX_GOCACHEPROG = \"1\"; doCheck = false; preBuild = ''export GOCACHEPROG=/gocache-client; $extra''; }")
    "$out/bin/withc"
}
answer() { sed -i "s/SHARED_ANSWER [0-9]*/SHARED_ANSWER $1/" "$WORK/src/shared/answer.h"; }
is() { expect "$1: $3" test "$3" = "$2"; }

answer 41
is "a header of the tree, plain, first" "41 0" "$(plain tree-plain-1)"
answer 42
is "a header of the tree, plain, changed: stale" "41 0" "$(plain tree-plain-2)"
answer 51
is "a header of the tree, first" "51 0" "$(with_c tree-1)"
answer 52
is "a header of the tree, changed" "52 0" "$(with_c tree-2)"
is "unchanged" "52 0" "$(with_c tree-3)"
puts=$(($(build_field small-tree-3 puts) - $(build_field small-tree-3 private_puts)))
expect "an unchanged build compiles no C anew ($puts puts)" test "$puts" -le 20

make_header() { echo "sed -i \"s/SHARED_ANSWER [0-9]*/SHARED_ANSWER $1/\" shared/answer.h"; }
is "made by preBuild, plain: stale" "41 0" "$(plain made-plain "$(make_header 61)")"
is "made by preBuild, first" "63 0" "$(with_c made-1 --arg extra "{ preBuild = ''$(make_header 63)''; }")"
is "made by preBuild, changed" "64 0" "$(with_c made-2 --arg extra "{ preBuild = ''$(make_header 64)''; }")"

answer 10
flags() { echo "{ NIX_CFLAGS_COMPILE = \"-isystem \${builtins.path { name = \"include\"; path = $WORK/include-$1; }}\"; }"; }
is "a header elsewhere, first" "10 71" "$(with_c flags-1 --arg extra "$(flags 1)")"
is "a header elsewhere, changed" "10 72" "$(with_c flags-2 --arg extra "$(flags 2)")"
wrapper() { echo "{ ccFlags = \"-isystem \${builtins.path { name = \"include\"; path = $WORK/include-$1; }}\"; }"; }
is "the compiler wrapper, plain: stale" "41 0" "$(plain wrapper-plain "" "$(wrapper 2)")"
is "the compiler wrapper, first" "10 71" "$(with_c wrapper-1 --arg standin "$(wrapper 1)")"
is "the compiler wrapper, changed" "10 72" "$(with_c wrapper-2 --arg standin "$(wrapper 2)")"

# Without -trimpath the flags would be recorded in the program; it is the same as without the cache.
untrimmed='{ allowGoReference = true; doCheck = false; }'
cached=$(small untrimmed --arg src "$WORK/src" --arg extra "$untrimmed")
without=$(small untrimmed --arg src "$WORK/src" --arg withHook false --arg extra "$untrimmed")
expect "a program built without -trimpath is the same" cmp "$cached/bin/small" "$without/bin/small"
expect "and used the cache" counts small-untrimmed puts -gt 50
trimmed=$(small trimmed --arg src "$WORK/src" --arg extra '{ doCheck = false; }')
if grep -aq __nix_gocacheprog_key "$trimmed/bin/withc"; then fail "the marker is in a program built with -trimpath"; fi
expect "the store is whole" store_is_whole
