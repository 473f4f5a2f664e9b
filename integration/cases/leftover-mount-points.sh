# Proves that an empty /gocache and an empty /gocache-client left over on a machine do not count as a sandbox: the client serves
# from the user's own store, and tells a setup hook that there is no cache. A mount namespace with another root stands for the
# machine.
# shellcheck shell=bash source-path=SCRIPTDIR
# shellcheck disable=SC2034 # for the sourced files
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"

mkdir "$WORK/root" "$WORK/src"

# leftover KIND COMMAND...: runs the command where /gocache is an empty directory and /gocache-client an empty file,
# a mount of the client, or a link to it.
leftover() {
    # shellcheck disable=SC2016 # for the shell inside
    unshare --mount --propagation private bash -euc '
        mount -t tmpfs none "$1"
        mkdir "$1"/{upper,work,root}
        mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
        mkdir -p "$1/root/gocache"
        case $4 in
            empty) : > "$1/root/gocache-client" && chmod 755 "$1/root/gocache-client" ;;
            link) ln -s "$3/cacheprog-client" "$1/root/gocache-client" ;;
            mount) : > "$1/root/gocache-client" && mount --bind "$3/cacheprog-client" "$1/root/gocache-client" ;;
        esac
        for dir in /proc /dev /tmp "$2"; do mount --rbind "$dir" "$1/root$dir"; done
        exec chroot "$1/root" sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$2/src" "${@:5}"' \
        leftover "$WORK/root" "$WORK" "$BIN" "$@"
}

for kind in empty link; do
    gocache=$WORK/gocache-$kind
    env=(env HOME="$WORK/home-$kind" XDG_CACHE_HOME="$WORK/cache-$kind" GOCACHE="$gocache" GOCACHEPROG="$BIN/cacheprog-client" CGO_ENABLED=0
        GOFLAGS= GOPROXY=off GOTOOLCHAIN=local GOTELEMETRY=off GOENV=off)
    leftover "$kind" "${env[@]}" go build -v internal/goos 2> "$WORK/compiled"
    expect "$kind: the first build compiles" grep -qx internal/goos "$WORK/compiled"
    expect "$kind: the output is in the user's store" test -d "$WORK/cache-$kind/nix-gocacheprog/objects"
    expect "$kind: nothing was spooled" test -z "$(find "$gocache" -name 'nix-gocacheprog-spool*')"
    rm -rf "$gocache"
    leftover "$kind" "${env[@]}" go build -v internal/goos 2> "$WORK/compiled"
    expect "$kind: the second does not" test ! -s "$WORK/compiled"
    expect "$kind: a setup hook gets no settings" test -z "$(leftover "$kind" "$BIN/cacheprog-client" env preBuild || true)"
done
expect "where the client itself is mounted a setup hook gets settings" grep -q GOCACHEPROG=/gocache-client <(leftover mount env CGO_ENABLED=0 /gocache-client env preBuild)
