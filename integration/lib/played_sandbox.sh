# Played sandboxes: builds as Nix makes them, without Nix. Each is registered by the hook, from a derivation's text, and its script
# runs in a mount namespace with what the hook offers, an empty /build and the environment of a derivation. They take a second
# where a sandbox takes ten, for cases with a hundred builds. The machine is not changed.
# Source it after lib/daemon.sh; needs root. Reads WORK, BIN, CONTROL.
# shellcheck shell=bash
set -euo pipefail

# The toolchain is seen below /nix/store, as one of nixpkgs.
SANDBOX_GO=/nix/store/00000000000000000000000000000000-go-1.0

# prepare_sandboxes: the hook for both modes, and what a sandbox sees at /in and /nix/store (WORK/in, WORK/store-paths).
prepare_sandboxes() {
    mkdir -p "$WORK/in" "$WORK/store-paths" "$WORK/sandboxes" "$WORK/out"
    transparent_hook
    SANDBOX_GOROOT=$(go env GOROOT)
}

# sandbox NAME MODE SOURCE SCRIPT: builds a copy of SOURCE, whose files have mtime 1, in /build/source: SCRIPT runs there with
# `set -e`. MODE: explicit (with the setup hook: `hook POINT` in the script is the point of a phase), transparent, or none.
# Names are used once. What the script writes to /out is in WORK/out/NAME, its output in WORK/out/NAME.log. SANDBOX_ENV has further
# variables, as NAME=VALUE.
sandbox() {
    local name=$1 mode=$2 source=$3 script=$4 status=0 dir=$WORK/sandboxes/$1
    mkdir -p "$dir.drv.chroot/root" "$dir" "$WORK/out/$name"
    _offer "$name" "$mode" "$dir" || return 1
    printf '%s\n' "$script" > "$dir/script"
    # shellcheck disable=SC2016 # for the shell inside
    unshare --mount --propagation private bash -euc "$SANDBOX_ROOT" sandbox "$dir" "$WORK" "$name" "$source" "$SANDBOX_GOROOT" "$SANDBOX_GO" "$ROOT_DIR/overlay/setup-hook.sh" \
        env -i PATH="$SANDBOX_GO/bin:/usr/bin:/bin" HOME=/homeless-shelter NIX_BUILD_TOP=/build TMPDIR=/build TMP=/build TEMP=/build \
        TEMPDIR=/build NIX_STORE=/nix/store NIX_BUILD_CORES=2 GOCACHE=/build/go-cache GOPATH=/build/go GOFLAGS=-trimpath GOTOOLCHAIN=local \
        GOPROXY=off GOSUMDB=off GOTELEMETRY=off CGO_ENABLED=1 outputs=out name="$name" out="/nix/store/$(_store_hash "$name")-$name" \
        SANDBOX_MODE="$mode" ${SANDBOX_ENV[@]+"${SANDBOX_ENV[@]}"} bash -ec "$SANDBOX_SHELL" > "$WORK/out/$name.log" 2>&1 || status=$?
    rm -rf "${dir:?}"
    return "$status"
}

# end_sandboxes: ends all builds for the daemon, as Nix does: their chroots go.
end_sandboxes() { rm -rf "$WORK"/sandboxes/*.drv.chroot; }

# Writes DIR/mounts: a line TARGET=SOURCE for each mount that the hook offers.
_offer() {
    local name=$1 mode=$2 dir=$3 input=nix-gocacheprog-hook hook=$WORK/hook
    : > "$dir/mounts"
    [ "$mode" != none ] || return 0
    if [ "$mode" = transparent ]; then input=go-1.26.8 hook=$WORK/transparent; fi
    printf 'Derive([("out","/nix/store/%s-%s","","")],[("/nix/store/11111111111111111111111111111111-%s.drv",["out"])],[],"x86_64-linux","/bin/sh",[],[("name","%s")])' \
        "$(_store_hash "$name")" "$name" "$input" "$name" > "$dir.drv"
    "$hook" "$dir.drv" "$dir.drv.chroot/root" 2> "$dir/hook.log" | grep "=" > "$dir/mounts" ||
        { cat "$dir/hook.log" >&2; echo "played_sandbox.sh: the hook offers nothing to $name" >&2; return 1; }
}
_store_hash() { sha256sum <<< "$1" | cut -c1-32; }

# The root of a sandbox: this machine's directories, with /build, /tmp and /nix of its own, and with what the hook offers.
# shellcheck disable=SC2016
SANDBOX_ROOT='
    dir=$1 work=$2 name=$3 source=$4 goroot=$5 go=$6 setup_hook=$7
    shift 7
    mkdir "$dir/mount"
    mount -t tmpfs none "$dir/mount"
    mkdir "$dir/mount/root"
    cd "$dir/mount/root"
    for path in /*; do
        case $path in /build | /tmp | /nix | /in | /out | /gocache* | /homeless-shelter) continue ;; esac
        if [ -L "$path" ]; then cp -P "$path" ".$path"; elif [ -d "$path" ]; then mkdir ".$path"; mount --rbind "$path" ".$path"; fi
    done
    mkdir -p build tmp phases in out "./$go"
    mount --bind "$work/store-paths" nix/store
    mkdir -p "./$go"
    mount --bind "$goroot" "./$go"
    mount --bind "$work/in" in
    mount --bind "$work/out/$name" out
    while IFS="=" read -r target from; do
        if [ -d "$from" ]; then mkdir -p ".$target"; else mkdir -p ".${target%/*}"; : > ".$target"; fi
        mount --bind "$from" ".$target"
    done < "$dir/mounts"
    if [ -d "$work/warm/go-cache" ] && [ ! -s "$dir/mounts" ]; then
        mkdir -p "$dir/mount"/{upper,work} build/go-cache
        mount -t overlay overlay -o "lowerdir=$work/warm/go-cache,upperdir=$dir/mount/upper,workdir=$dir/mount/work" build/go-cache
    fi
    cp -rP --preserve=mode "$source" build/source
    find build/source -exec touch -h -d @1 {} +
    cp "$dir/script" "$setup_hook" phases # what lies in /tmp is seen by tests
    exec chroot . "$@"'

# What a script finds. A setup hook is sourced by stdenv before the phases.
# shellcheck disable=SC2016
SANDBOX_SHELL='
    cd /build/source
    hook() { :; }
    if [ "$SANDBOX_MODE" = explicit ]; then
        postConfigureHooks=() preBuildHooks=() postBuildHooks=() preCheckHooks=() postCheckHooks=() exitHooks=()
        . /phases/setup-hook.sh
        hook() { nixGocacheprog "$1"; }
    fi
    unset SANDBOX_MODE
    . /phases/script'
