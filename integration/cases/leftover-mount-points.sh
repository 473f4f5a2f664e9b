# An empty /gocache and an empty /gocache-client that somebody left on a machine make no sandbox: the client by itself serves
# from the user's own store, and says so to the setup hook. A mount namespace and another root stand for the machine.
# shellcheck shell=bash source-path=SCRIPTDIR
# shellcheck disable=SC2034 # for the sourced files
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"

mkdir "$WORK/root" "$WORK/src"

# left KIND COMMAND...: runs it where /gocache is an empty directory and /gocache-client an empty file, a program, or a link to the client.
left() {
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
        left "$WORK/root" "$WORK" "$BIN" "$@"
}

for kind in empty link; do
    gocache=$WORK/gocache-$kind
    env=(env HOME="$WORK/home-$kind" XDG_CACHE_HOME="$WORK/cache-$kind" GOCACHE="$gocache" GOCACHEPROG="$BIN/cacheprog-client" CGO_ENABLED=0
        GOFLAGS= GOPROXY=off GOTOOLCHAIN=local GOTELEMETRY=off GOENV=off)
    left "$kind" "${env[@]}" go build -v internal/goos 2> "$WORK/compiled"
    expect "$kind: it is compiled" grep -qx internal/goos "$WORK/compiled"
    expect "$kind: the user's store has it" test -d "$WORK/cache-$kind/nix-gocacheprog/objects"
    expect "$kind: nothing was spooled" test -z "$(find "$gocache" -name 'nix-gocacheprog*')"
    rm -rf "$gocache"
    left "$kind" "${env[@]}" go build -v internal/goos 2> "$WORK/compiled"
    expect "$kind: and not again" test ! -s "$WORK/compiled"
    expect "$kind: a setup hook is told nothing" test -z "$(left "$kind" "$BIN/cacheprog-client" env preBuild || true)"
done
expect "where the very client is mounted a setup hook is told" grep -q GOCACHEPROG=/gocache-client <(left mount env CGO_ENABLED=0 /gocache-client env preBuild)
