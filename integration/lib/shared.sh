# What the cases of a run share, each part made by the first case that needs it: a Nix store with the Go toolchain and the
# stub's tools, a daemon's store that knows Go's standard library, the same for plain sharing, the real program's
# sources. They stand below SHARED: TEST_SHARED (integration/test), or the case's own WORK. A case works on a copy, so
# that no case sees what another one did. Source it after lib/nix.sh and lib/daemon.sh; reads WORK and CASE_DIR.
# shellcheck shell=bash
set -euo pipefail

SHARED=${TEST_SHARED:-$WORK/shared}

# shared NAME MAKER [ARG...]: makes SHARED/NAME by `MAKER SHARED/NAME ARG...` if nobody did; others wait meanwhile. There is no
# `set -e` in MAKER, whose status is looked at.
shared() {
    local dir=$SHARED/$1 maker=$2
    shift 2
    [ ! -e "$dir.done" ] || return 0
    mkdir -p "$SHARED"
    chmod 711 "$SHARED"
    exec 8> "$dir.lock"
    flock 8
    if [ ! -e "$dir.done" ]; then
        rm -rf "$dir"
        mkdir "$dir"
        "$maker" "$dir" "$@" 8>&- || { exec 8>&-; return 1; }
        touch "$dir.done"
    fi
    exec 8>&-
}

# private_store: from here on /nix is this case's own, with the toolchain in it; sets SDK. Cases at the same time, and
# other runs, build what has the same name. Where Nix itself stands in /nix, the machine's store is used.
private_store() {
    if [ -n "${NIX_MACHINE:-}" ] || [[ $(realpath "$(command -v nix-build)") == /nix/* ]]; then
        SDK=$(add_go_to_store)
        return
    fi
    shared nix _make_nix
    mkdir "$WORK/store"
    # The database is written in place, the store's files never are.
    cp -a "$SHARED/nix/var" "$WORK/store/var"
    cp -al "$SHARED/nix/store" "$WORK/store/store"
    mount --bind "$WORK/store" /nix
    # shellcheck disable=SC2034 # for lib/nix.sh
    NIX_PRIVATE=1
    # shellcheck disable=SC2034 # for the case
    SDK=$(cat "$SHARED/nix.sdk")
}

# What the small program's derivation needs is what any other one needs.
_make_nix() {
    local status=0
    mkdir -p /nix
    mount --bind "$1" /nix || return 1
    { add_go_to_store > "$1.sdk" && _make_tools "$(cat "$1.sdk")" 2> "$WORK/tools.log"; } || { status=1; tail -n 30 "$WORK/tools.log" >&2; }
    umount /nix
    return "$status"
}
_make_tools() {
    local drv inputs
    drv=$(nix_run nix-instantiate "$CASE_DIR/nix/small.nix" --argstr gosdk "$1" --arg overlay "$ROOT_DIR/overlay/default.nix") &&
        mapfile -t inputs < <(nix_run nix-store --query --references "$drv" | grep '\.drv$') &&
        [ ${#inputs[@]} -gt 0 ] && nix_run nix-store --realise "${inputs[@]}" > /dev/null
}

# _std [NIX-ARG...]: fills a cache with the standard library.
_std() {
    nixbuild "$CASE_DIR/nix/std.nix" --argstr gosdk "$SDK" --arg overlay "$ROOT_DIR/overlay/default.nix" "$@" \
        > /dev/null 2> "$WORK/std.log" || { tail -n 30 "$WORK/std.log" >&2; return 1; }
}

# warm_start: start_daemon on a store that knows the standard library, in the place of an empty one.
warm_start() {
    shared state _make_state
    mkdir -p "$STATE"
    cp -a --reflink=auto "$SHARED/state/cache/." "$STATE"
    chown -R --no-dereference "$DAEMON_UID:$DAEMON_UID" "$STATE"
    start_daemon
}
_make_state() {
    local state=$STATE status=0
    STATE=$1/cache
    chown "$DAEMON_UID:$DAEMON_UID" "$1" # the daemon makes its directory
    start_daemon && _std || status=1
    stop_daemon
    rm -rf "$STATE/builds"
    STATE=$state
    return "$status"
}

# plain_sharing: from here on builds have a store of everyone's at /plain, which knows the standard library; see
# nix/small.nix.
plain_sharing() {
    _plain "$WORK/plain"
    shared plain _make_plain
    cp -a --reflink=auto "$SHARED/plain/store" "$WORK/plain"
    chmod -R a+rwX "$WORK/plain/store" # it was filled under another user
}
_plain() {
    mkdir -p "$1"
    install -m 755 "$BIN/cacheprog-client" "$1/store-client"
    # The client keeps toolchains apart by GOROOT and by who started it: here neither tells.
    printf '#!/bin/bash\nunset GOROOT GOTOOLDIR\n/plain/store-client "$@"\nexit $?\n' > "$1/client"
    chmod 755 "$1/client"
    PLAIN=(--option extra-sandbox-paths "/plain=$1")
}
_make_plain() {
    _plain "$1" && mkdir -m 777 "$1/store" && _std "${PLAIN[@]}" --arg plain true
}

# real_program DIR: a copy of the real program's sources and vendor tree (lib/program.sh).
real_program() {
    shared program fetch_program
    mkdir -p "$1"
    cp -a --reflink=auto "$SHARED/program/." "$1"
}
