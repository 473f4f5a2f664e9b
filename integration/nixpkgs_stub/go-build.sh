# The buildPhase of the stub's buildGoModule: one `go install` for each package directory, as in nixpkgs, where a
# package that is not listed in subPackages is every directory with .go files that is no example or testdata.
# Defines buildGoDir and getGoDirs, which checkPhase and packages' own phases use too.
# shellcheck shell=bash disable=SC2154,SC2086,SC2048,SC2206
runHook preBuild

excludedDirs='/_|examples|Godeps|testdata'
for excluded in ${excludedPackages[*]}; do excludedDirs+="|$excluded"; done

# buildGoDir install|test DIR: run go there; a directory without buildable files is no failure.
buildGoDir() {
    local output status=0 flags=()
    if [ -n "${tags[*]}" ]; then flags+=("-tags=$(concatStringsSep , tags)"); fi
    if [ -n "${ldflags[*]}" ]; then flags+=("-ldflags=${ldflags[*]}"); fi
    flags+=(-p "$NIX_BUILD_CORES")
    if [ "${NIX_DEBUG:-0}" -ge 1 ]; then flags+=(-x); fi
    if [ "$1" = test ]; then flags+=(-vet=off ${checkFlags[*]}); fi

    output=$(go $1 "${flags[@]}" $2 2>&1) || status=$?
    if [ -n "$output" ]; then printf '%s\n' "$output" >&2; fi
    [ "$status" = 0 ] ||
        grep -qE '(no( buildable| non-test)?|build constraints exclude all) Go (source )?files' <<< "$output"
}

# getGoDirs ""|test: the package directories with .go files, or with tests; or subPackages.
getGoDirs() {
    if [ -n "${subPackages[*]}" ]; then
        printf './%s\n' ${subPackages[*]}
    else
        find . -type f -name "*${1:+_$1}.go" -printf '%h\n' | grep -v /vendor/ | sort -u | grep -vE "($excludedDirs)"
    fi
}

if [ -z "${enableParallelBuilding:-}" ]; then export NIX_BUILD_CORES=1; fi
for pkg in $(getGoDirs ""); do
    echo "Building subPackage $pkg"
    buildGoDir install "$pkg"
done

runHook postBuild
