# Proves for transparent mode: unchanged derivations use the cache, by the same rule as those with the setup hook; programs are
# identical to those without a cache; other builds, and builds that configure Go themselves, are not affected.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
start_daemon
transparent_hook
PRE_BUILD_HOOK=$WORK/transparent
# settings LINE...: of the hook, in transparent mode.
settings() {
    printf '%s\n' 'mode = "transparent"' "go-env = '$WORK/go-env'" "control = '$CONTROL'" "$@" > "$PRE_BUILD_HOOK.toml"
    "$PRE_BUILD_HOOK" --check "$PRE_BUILD_HOOK.toml"
}
settings
cp -r "$CASE_DIR/programs/small" "$WORK/src"
# unaware VERSION [NIX-ARG...]: builds the small program without the setup hook.
unaware() { small "$1" --arg withHook false --arg src "$WORK/src" "${@:2}"; }
with_c() { "$(unaware "$@")/bin/withc"; }
answer() { sed -i "s/SHARED_ANSWER [0-9]*/SHARED_ANSWER $1/" "$WORK/src/shared/answer.h"; }
# quick: without tests, where they are not part of an assertion. light: also without compiling, except with `--full`.
quick='doCheck = false;'
light='doCheck = false; buildPhase = "runHook preBuild; go list ./...; runHook postBuild";'
[ -z "${TEST_FULL:-}" ] || light=$quick
registered() { [ -n "$(build_field "small-$1" id)" ]; }

without=$(PRE_BUILD_HOOK='' unaware without --arg extra "{ $NO_TESTS }")
first=$(unaware 1)
expect "the first build puts" counts small-1 puts -gt 100
second=$(unaware 2)
expect "the second build hits" counts small-2 hits -gt 100
expect "it puts private entries only" counts small-2 puts -lt 20
for built in "$first" "$second"; do expect "the program is the same as without a cache" cmp "$without/bin/small" "$built/bin/small"; done

echo "=== what is shared"
is "the second build compiles nothing, also of C" 0 "$(build_field small-2 packages_compiled)"
expect "results of its tests are reused" grep -qE '^ok +example.test/small/golden +\(cached\)' "$WORK/small-2.log"
others=$(($(build_field small-2 puts) - $(build_field small-2 private_puts)))
expect "it shares nothing but links of programs ($others puts)" test "$others" -le 4
small hooked > /dev/null
is "a build with the setup hook compiles nothing either" 0 "$(build_field small-hooked packages_compiled)"
expect "it reuses results of tests" grep -qE '^ok +example.test/small/golden +\(cached\)' "$WORK/small-hooked.log"

echo "=== C, tests"
answer 51
is "a header of the tree, first" "51 0" "$(with_c header-1 --arg extra "{ $quick }")"
answer 52
is "a header of the tree, changed" "52 0" "$(with_c header-2 --arg extra "{ $quick }")"
expect "that build hit" counts small-header-2 hits -gt 100
if unaware variable --arg extra '{ SMALL_MUST_FAIL = "1"; }' 2> "$WORK/err"; then fail "a test passed though it reads a variable that fails it"; fi
expect "a variable: the test fails" grep -q SMALL_MUST_FAIL "$WORK/err"
sed -i 's/fox/box/' "$WORK/src/golden/testdata/golden.txt"
if unaware golden 2> "$WORK/err"; then fail "a test passed though its golden file changed at the same size"; fi
expect "a golden file: the test fails" grep -q 'FAIL.*golden' "$WORK/err"
sed -i 's/box/fox/' "$WORK/src/golden/testdata/golden.txt"

echo "=== builds that configure Go themselves"
seen=$light'postInstall = "ls -d /gocache* /homeless-shelter > $out/seen 2>&1 || true; go env GOCACHEPROG > $out/prog";'
out=$(unaware seen --arg extra "{ $seen }")
expect "a build without settings of its own uses the cache" grep -qx /gocache-client "$out/prog"
out=$(unaware home --arg extra "{ preConfigure = \"export HOME=\$TMPDIR\"; ${seen/"$light"/"$quick"} }")
expect "a build with a HOME of its own does not" test -z "$(cat "$out/prog")"
expect "its programs are the same" cmp "$without/bin/small" "$out/bin/small"
out=$(unaware goenv --arg extra "{ preConfigure = \"export XDG_CONFIG_HOME=\$TMPDIR; go env -w GOFLAGS=-trimpath\"; $seen }")
expect "a build with a go/env of its own does not" test -z "$(cat "$out/prog")"
out=$(unaware off --arg extra "{ GOENV = \"off\"; $seen }")
expect "a build with GOENV=off does not" test -z "$(cat "$out/prog")"
unaware own --arg extra "{ $light "'preConfigure = "export GOCACHEPROG=$NIX_BUILD_TOP/mine"; postConfigure = "go env GOCACHEPROG > $NIX_BUILD_TOP/kept || true; echo kept $GOCACHEPROG; unset GOCACHEPROG"; }' > /dev/null
expect "a GOCACHEPROG that the package sets stays" grep -q '^kept .*/mine$' "$WORK/small-own.log"
out=$(unaware no --arg extra "{ NIX_GOCACHEPROG = \"0\"; $seen }")
if grep -q /gocache- "$out/seen" || registered no; then fail "NIX_GOCACHEPROG=0 had the mounts"; fi
out=$(unaware option --option pre-build-hook '' --arg extra "{ $seen }")
if registered option; then fail "a build without a pre-build-hook was registered"; fi
cat > "$WORK/other.nix" << NIX
(import $CASE_DIR/nixpkgs_stub { gosdk = "$SDK"; }).runCommand "no-go" { text = "/nix/store/go-1.26.8 -go-1"; } ''
  ls -d /gocache* /homeless-shelter > \$out 2>&1 || true
''
NIX
expect "a build without Go has no mounts" refused grep -E '^/(gocache|homeless)' "$(nixbuild "$WORK/other.nix")"
unaware structured --arg extra '{ doCheck = false; __structuredAttrs = true; }' > /dev/null
expect "structured attributes hit" counts small-structured hits -gt 100

echo "=== lists and settings"
settings 'deny = ["small-den*"]'
unaware denied --arg extra "{ $light }" > /dev/null
if registered denied; then fail "a denied derivation was registered"; fi
settings 'allow = ["other-*"]'
unaware foreign --arg extra "{ $light }" > /dev/null
if registered foreign; then fail "a derivation that is not in the list was registered"; fi
small asks --arg extra "{ $quick }" > /dev/null
expect "a build that opts in uses the cache in any case" counts small-asks hits -gt 100
echo 'mode = "transparant"' > "$PRE_BUILD_HOOK.toml"
unaware wrong --arg extra "{ $quick }" > /dev/null
expect "wrong settings cost the cache and nothing else" refused registered wrong

echo "=== a content-addressed derivation"
settings
export NIX_EXTRA_CONFIG='experimental-features = ca-derivations nix-command'
addressed='doCheck = false; __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";'
# Another name in each run: Nix remembers the output path of such a derivation, also when the output does not exist any more.
ca=ca-${WORK##*.}
unaware "$ca-1" --arg extra "{ $addressed }" > /dev/null
expect "hits in transparent mode" counts "small-$ca-1" hits -gt 100
small "$ca-2" --arg extra "{ $addressed }" > /dev/null
expect "hits with the setup hook" counts "small-$ca-2" hits -gt 100
NIX_EXTRA_CONFIG=

stop_daemon
unaware absent --arg extra "{ $quick }" > /dev/null
expect "without a daemon the build succeeds" test -n "$(last_log)"
expect "every object and record of the store is intact" store_is_whole
echo "summary: unaware derivations: hits by the same rule, C and tests are right, other builds are not affected"
