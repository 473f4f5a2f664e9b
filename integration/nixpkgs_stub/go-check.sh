# The checkPhase of the stub's buildGoModule: one `go test` for each package directory with tests. As in nixpkgs,
# -trimpath is off, so tests find their files by the path of their source; that is why tests compile everything again.
# shellcheck shell=bash disable=SC2154
runHook preCheck
export GOFLAGS=${GOFLAGS//-trimpath/}

for pkg in $(getGoDirs test); do
    buildGoDir test "$pkg"
done

runHook postCheck
