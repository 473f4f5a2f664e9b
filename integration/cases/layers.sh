# Proves that buildGoModuleLayered works in real sandboxes with neither hook nor daemon: the dependencies of a package, in Go, C and
# assembly, are compiled in layers, which only what is in their keys changes, and programs have the bytes of an ordinary build.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
cp -r "$CASE_DIR/programs/layered" "$WORK/src"
# shellcheck disable=SC2034 # for lib/layered_program.sh
LAYERED_SRC=$WORK/src
source "$CASE_DIR/lib/layered_program.sh"

# path_of ATTRIBUTE [NIX-ARG...]: the path that building it would give.
path_of() {
    nix_run nix-instantiate --eval -A outPath "${LAYERED[@]}" --argstr attribute "$1" "${@:2}" 2> "$WORK/eval.log" || { cat "$WORK/eval.log" >&2; return 1; }
}

plain=$(built plain --argstr builder buildGoModule)
first=$(built first)
is "a layered program" "firstfirst 7 8" "$("$first/bin/layered")"
is "its own packages are compiled, and no others" "example.test/layered example.test/layered/words main " \
    "$(compiled_by_itself first)"
expect "has the bytes of an ordinary one" same_but_for_its_path "$plain" "$first"

cache=$(path_of goCache) std=$(path_of goCacheStd)
# changes WHAT LAYERS [NIX-ARG...]: what it is that changes, and which layers it changes.
changes() {
    local changed=''
    [ "$(path_of goCacheStd "${@:3}")" = "$std" ] || changed+="std "
    [ "$(path_of goCache "${@:3}")" = "$cache" ] || changed+="modules "
    is "$1 changes" "$2" "$changed"
}
sed -i 's/"first"/"edited"/' "$WORK/src/words/words.go"
edited=$(built edited --argstr version 2)
is "an edited one" "editededited 7 8" "$("$edited/bin/layered")"
is "what depends on the edit is compiled, and nothing else" "example.test/layered example.test/layered/words main " "$(compiled edited)"
changes "an edit, with another version," "" --argstr version 2
sed -i 's/^import (/import (\n\t_ "dep.test\/d\/unused"/' "$WORK/src/main.go"
imports=$(built imports)
is "a program with one more import" "editededited 7 8" "$("$imports/bin/layered")"
is "a known package that is imported is not compiled" "example.test/layered example.test/layered/words main " "$(compiled imports)"
changes "the import of a known package" ""
changes "a flag of the linker" "" --arg extra '{ ldflags = [ "-X main.version=2" ]; }'
changes "what is done before the build" "" --arg extra '{ preBuild = "true"; meta.description = "a program"; }'
changes "checks of the output, and phases of its own" "" --arg extra '{ allowedReferences = [ ]; dontInstall = true; postPhases = [ "smoke" ]; }'
changes "a tag" "modules " --arg extra '{ tags = [ "some" ]; }'
changes "a tag of the standard library" "std modules " --arg extra '{ tags = [ "netgo" ]; }'
changes "another CGO_ENABLED" "std modules " --arg extra '{ env.CGO_ENABLED = "0"; }'
changes "tests with -race" "std modules " --arg extra '{ checkFlags = [ "-race" ]; }'
changes "flags of the C compiler" "modules " --arg extra '{ env = { CGO_ENABLED = "1"; CGO_CFLAGS = "-O1"; }; }'
changes "another toolchain" "std modules " --argstr gosdk "$(add_go_to_store 1.25.5)"
echo "// edited" >> "$WORK/src/vendor/dep.test/d/plain/plain.go"
changes "another module" "modules "
sed -i '$d' "$WORK/src/vendor/dep.test/d/plain/plain.go"

# Bytes of layers: whatever the number of processors.
same_again() { built "$@" --check > "$WORK/checked"; }
for cores in 1 2; do
    expect "a layer of modules has the same bytes again, with $cores" same_again "check-$cores" --argstr attribute goCache --cores "$cores"
done
if [ -n "${TEST_FULL:-}" ]; then
    for attribute in goCache goCacheStd goCacheStd; do
        expect "$attribute has the same bytes once more" same_again "check-$attribute" --argstr attribute "$attribute"
    done
fi
# What the package does to its modules before the build is no part of a layer: then entries of the layer do not hold.
# differs NAME OUTPUT PREBUILD: what it prints; with --full its bytes are those of an ordinary build.
differs() {
    local extra package
    extra="{ preBuild = ''$3''; doCheck = false; }"
    # The same layers, with tests, as above.
    package=$(built "differs-$1" --arg extra "{ preBuild = ''$3''; checkPhase = \":\"; }")
    is "with $1" "$2" "$("$package/bin/layered")"
    [ -z "${TEST_FULL:-}" ] || expect "the bytes of an ordinary build with $1" same_but_for_its_path "$package" \
        "$(built "ordinary-$1" --argstr builder buildGoModule --arg extra "$extra")"
}
differs "another header of C" "editededited 7 88" "chmod -R u+w vendor; sed -i s/8/88/ vendor/dep.test/d/withc/eight.h"
if [ -n "${TEST_FULL:-}" ]; then
    differs "another header of assembly" "editededited 77 8" "chmod -R u+w vendor; sed -i s/7/77/ vendor/dep.test/d/withasm/seven.h"
    differs "a header that is a link" "editededited 7 99" \
        "chmod -R u+w vendor; sed s/8/99/ vendor/dep.test/d/withc/eight.h > ninety; ln -sf ../../../../ninety vendor/dep.test/d/withc/eight.h"
    differs "a flag of the preprocessor" "editededited 7 80" "export CGO_CPPFLAGS=-DEIGHT=80"
fi
differs "an edited module" "eeditededitede 7 8" "chmod -R u+w vendor; sed -i 's/strings.Repeat(s, 2)/\"e\" + strings.Repeat(s, 2) + \"e\"/' vendor/dep.test/d/plain/plain.go"

structured=$(built structured --arg extra '{ __structuredAttrs = true; env = { CGO_ENABLED = "1"; NIX_DEBUG = "1"; }; }')
is "a package with structured attributes" "editededited 7 8" "$("$structured/bin/layered")"
is "compiles its own packages alone" "example.test/layered example.test/layered/words main " \
    "$(compiled_by_itself structured)"
# An earlier source whose packages are in a layer too: what is the same in it is not compiled.
cp -r "$WORK/src" "$WORK/earlier"
sed -i 's/withc.Eight())/withc.Eight(), "more")/' "$WORK/src/main.go"
earlier="passthru.layerSource = builtins.path { name = \"layered-source\"; path = $WORK/earlier; };"
since=$(built since --arg extra "{ $earlier }")
is "a program with the layer of an earlier source" "editededited 7 8 more" "$("$since/bin/layered")"
is "what depends on the edit since then is compiled, and nothing else" "example.test/layered main " "$(compiled_by_itself since)"
own=$(path_of goCacheOwn --arg extra "{ $earlier }")
is "an edit, with another version and flag of the linker, leaves that layer" "$own" \
    "$(sed -i 's/more/most/' "$WORK/src/main.go"; path_of goCacheOwn --argstr version 2 --arg extra "{ $earlier ldflags = [ \"-s\" ]; preCheck = \"true\"; }")"
changes "an earlier source" "" --arg extra "{ $earlier }"
(cd "$WORK" && sed 's/most/patched/' src/main.go > patched.go && ! diff -u --label a/main.go --label b/main.go src/main.go patched.go > some.patch)
# Neither the modules nor the patches are for it.
sed -i '/^require/d' "$WORK/earlier/go.mod"
unfit=$(built unfit --arg extra "{ $earlier patches = [ (builtins.toFile \"some.patch\" (builtins.readFile $WORK/some.patch)) ]; }")
is "a program for which the earlier source is too old" "editededited 7 8 patched" "$("$unfit/bin/layered")"
is "compiles its own packages" "example.test/layered example.test/layered/words main " "$(compiled_by_itself unfit)"
expect "and is told to name a newer source" grep -q 'layer: .*Name a newer source' "$WORK/unfit.log"
expect "in no other words" refused grep -qE 'no store in|cannot access|not using the layer' "$WORK/unfit.log"
sed -i 's/, "most"//' "$WORK/src/main.go"
in_source=$(built in-source --arg extra '{ vendorHash = null; goModules = ""; postUnpack = ""; }')
is "a package with its modules in its source" "editededited 7 8" "$("$in_source/bin/layered")"
is "compiles its own packages and those of modules" \
    "dep.test/d/plain dep.test/d/unused dep.test/d/withasm dep.test/d/withc example.test/layered example.test/layered/words main " \
    "$(compiled_by_itself in-source)"

summary="summary: layers of dependencies, without hook and daemon"
if [ -z "${TEST_FULL:-}" ]; then
    echo "$summary"
    exit
fi
# proxyVendor: modules are files of a module proxy. The packages to compile are those of the modules that go.mod requires.
module=$WORK/proxy/dep.test/d/@v
mkdir -p "$module"
printf 'v1.2.3\n' > "$module/list"
printf '{"Version":"v1.2.3"}' > "$module/v1.2.3.info"
printf 'module dep.test/d\n\ngo 1.21\n' > "$module/v1.2.3.mod"
mkdir -p "$WORK/zip"
cp -r "$WORK/src/vendor/dep.test/d" "$WORK/zip/d@v1.2.3"
cp "$module/v1.2.3.mod" "$WORK/zip/d@v1.2.3/go.mod"
(cd "$WORK" && python3 -c 'import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as packed:
    for root, _, names in os.walk("zip/d@v1.2.3"):
        for name in names: packed.write(os.path.join(root, name), os.path.join("dep.test", os.path.relpath(os.path.join(root, name), "zip")))
' "$module/v1.2.3.zip")
rm -rf "$WORK/src/vendor"
(cd "$WORK/src" && GOFLAGS=-mod=mod GOMODCACHE=$WORK/modcache GOPROXY=file://$WORK/proxy GONOSUMDB='*' GOSUMDB=off go mod download all &&
    GOFLAGS=-modcacherw GOMODCACHE=$WORK/modcache go clean -modcache)
# by_proxy NAME EXTRA: what a package compiles of which modules are files of a proxy.
by_proxy() {
    local package
    package=$(built "$1" --arg extra "{ proxyVendor = true; goModules = builtins.path { name = \"modules\"; path = $WORK/proxy; }; $2 }")
    is "a package whose modules are files of a proxy, $1" "editededited 7 8" "$("$package/bin/layered")"
    is "compiles its own packages alone" "example.test/layered example.test/layered/words main " "$(compiled_by_itself "$1")"
}
by_proxy "as go.mod says" ""
# A source that is not there before it is built has no go.mod to read.
cat > "$WORK/elsewhere.nix" << NIX
src = builtins.toFile "layered-source" "";
unpackPhase = "cp -r \${builtins.path { name = "layered-source"; path = $WORK/src; }} layered-source; chmod -R u+w layered-source; sourceRoot=layered-source";
passthru.layerPackages = [ "dep.test/d/plain" "dep.test/d/unused" "dep.test/d/with..." ];
NIX
by_proxy "as the package says" "$(cat "$WORK/elsewhere.nix")"
echo "$summary"
