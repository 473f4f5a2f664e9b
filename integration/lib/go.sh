# Go toolchains of every version, by Go's own toolchain mechanism. Source it; reads WORK.
# shellcheck shell=bash
set -euo pipefail

# Where toolchains come from, whatever a case sets for its own builds.
GO_PROXY=$(go env GOPROXY)
GO_SUMDB=$(go env GOSUMDB)

# go_versions: the versions that a run tries: one of each release with `integration/test --full`, else the installed one.
go_versions() {
    if [ -n "${TEST_FULL:-}" ]; then echo "1.21.13 1.22.12 1.23.12 1.24.11 1.25.5 local 1.27.0"; else echo local; fi
}

# go_with_cacheprog VERSION: prints a go command of that version which speaks to cache programs. 1.21 to 1.23 have the code
# switched off by a constant: their go command alone is built again with it (cmd/go, `-tags goexperiment.cacheprog`).
# "local" is the go that is installed.
go_with_cacheprog() {
    local goroot tree wanted=$1
    [ "$wanted" = local ] || wanted=go$1
    goroot=$(cd / && env -u GOCACHEPROG GOTOOLCHAIN="$wanted" GOFLAGS='' GOPROXY="$GO_PROXY" GOSUMDB="$GO_SUMDB" go env GOROOT) || return
    case $1 in
        1.21.* | 1.22.* | 1.23.*)
            tree=$WORK/go-$1
            if [ ! -x "$tree/bin/go" ]; then
                cp -r "$goroot" "$tree"
                chmod -R u+w "$tree"
                (cd "$tree/src" && env -u GOCACHEPROG GOFLAGS='' GOROOT="$tree" GOTOOLCHAIN=local \
                    "$tree/bin/go" build -tags goexperiment.cacheprog -o "$tree/bin/go.new" cmd/go)
                mv "$tree/bin/go.new" "$tree/bin/go"
            fi
            echo "$tree/bin/go" ;;
        *) echo "$goroot/bin/go" ;;
    esac
}
