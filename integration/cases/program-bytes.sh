# Proves that nothing of this project gets into a program: `go build` in installPhase, after the checkPhase of buildGoModule has taken
# -trimpath out of GOFLAGS; a Makefile that sets GOFLAGS; C, and C++ with -frandom-seed. Without -trimpath Go records the flags of C.
# Each derivation is built with the cache, the later ones with hits on the first, and again without: `nix-build --check` finds the
# same bytes.
# (Texts for Nix are not expanded; variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
source "$(dirname "$0")/../lib/case.sh"
warm_start
src=$WORK/src
cp -r "$CASE_DIR/programs/small" "$src"
printf 'all:\n\tGOFLAGS=-mod=mod go build -o "$(out)/bin/made" ./cmd/withc\n' > "$src/Makefile"
# An object of C++ with an initialiser that runs before main: its symbol has a name made from -frandom-seed.
printf 'namespace { struct Number { int n; Number() : n(7) {} } number; }\nextern "C" int cpp_number(void) { return number.n; }\n' > "$src/clib/number.cc"
echo 'int cpp_number(void);' >> "$src/clib/clib.h"
sed -i 's|^func Answer.*|func Answer() int { return int(C.clib_answer()) + 0*int(C.cpp_number()) }|' "$src/clib/clib.go"
phases='doCheck = false; allowGoReference = true; preInstall = "export GOFLAGS=\${GOFLAGS//-trimpath/}";
    postInstall = "go build -o $out/bin/late ./cmd/withc; go build -o $out/bin/pure ./cmd/small; make; for program in $out/bin/*; do go version -m $program; done > $out/recorded";'
# bytes VERSION [NIX-ARG...]
bytes() { small "$1" --arg src "$src" --arg extra "{ $phases }" "${@:2}"; }

transparent_hook
declare -A built
built[1]=$(bytes 1)
built[2]=$(bytes 2)
expect "the second build hits" counts small-2 hits -gt 100
built[3]=$(PRE_BUILD_HOOK=$WORK/transparent bytes 3 --arg withHook false)
expect "the transparent build hits" counts small-3 hits -gt 100
for version in 1 2 3; do
    for program in small withc late pure made; do
        for word in gocacheprog gocache-client GOCACHEPROG; do
            if grep -aqi "$word" "${built[$version]}/bin/$program"; then fail "$program, build $version: \"$word\" is in it"; fi
        done
    done
    expect "build $version: Go recorded flags of C" grep -q CGO_CFLAGS "${built[$version]}/recorded"
    expect "build $version: none of ours" refused grep -qi gocache "${built[$version]}/recorded"
done
stop_daemon
expect "build 2: the same bytes without the cache" bytes 2 --check
if [ -n "${TEST_FULL:-}" ]; then expect "build 1: the same bytes without the cache" bytes 1 --check; fi
expect "build 3: the same bytes without the cache" bytes 3 --arg withHook false --check
expect "every object and record of the store is intact" store_is_whole
echo "summary: programs of installPhase and of a Makefile, with C and C++, have the bytes of a build without the cache"
