# What the cases of a run share; the first case that needs a part makes it: a Nix store with the Go toolchain and the stub's
# tools, a daemon's store with Go's standard library, such a store for naive sharing, the sources of the real program. The
# parts are in SHARED: TEST_SHARED (set by integration/test), or a directory of the case. Each case works on a copy, so cases
# do not see each other's changes. Source it after lib/nix.sh and lib/daemon.sh; reads WORK and CASE_DIR.
# shellcheck shell=bash
set -euo pipefail

SHARED=${TEST_SHARED:-$WORK/shared}

# shared NAME MAKER [ARG...]: makes SHARED/NAME by `MAKER SHARED/NAME ARG...` unless it exists; other cases wait meanwhile. MAKER
# runs without `set -e`, since its status is tested.
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

# private_store: mounts a store of this case at /nix, with the toolchain in it; sets SDK. Without it, cases and runs at the same
# time would build the same store paths. Where Nix itself is in /nix, the machine's store is used.
private_store() {
    if [ -n "${NIX_MACHINE:-}" ] || [[ $(realpath "$(command -v nix-build)") == /nix/* ]]; then
        SDK=$(add_go_to_store)
        return
    fi
    shared nix _make_nix
    mkdir "$WORK/store"
    # Copies the database, which is written in place; links the store's files, which never are.
    cp -a "$SHARED/nix/var" "$WORK/store/var"
    cp -al "$SHARED/nix/store" "$WORK/store/store"
    mount --bind "$WORK/store" /nix
    # shellcheck disable=SC2034 # for lib/nix.sh
    NIX_PRIVATE=1
    # shellcheck disable=SC2034 # for the case
    SDK=$(cat "$SHARED/nix.sdk")
}

# All other derivations need the same inputs as the small program's.
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

# _std [NIX-ARG...]: a build that fills a cache with the standard library.
_std() {
    nixbuild "$CASE_DIR/nix/std.nix" --argstr gosdk "$SDK" --arg overlay "$ROOT_DIR/overlay/default.nix" "$@" \
        > /dev/null 2> "$WORK/std.log" || { tail -n 30 "$WORK/std.log" >&2; return 1; }
}

# warm_start: start_daemon, on a store with the standard library instead of an empty one.
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

# naive_sharing: builds with `naive` from here on share a store at /naive that anyone may write, under Go's own keys and without
# our rules (nix/small.nix). It shows what would be wrong without them. The store has the standard library already.
naive_sharing() {
    _naive "$WORK/naive"
    shared naive _make_naive
    cp -a --reflink=auto "$SHARED/naive/store" "$WORK/naive"
    chmod -R a+rwX "$WORK/naive/store" # it was filled under another user
}
_naive() {
    mkdir -p "$1"
    (cd "$CASE_DIR/programs/naivecache" && GOFLAGS='' GOCACHEPROG='' CGO_ENABLED=0 go build -o "$1/client" .)
    chmod 755 "$1/client"
    NAIVE=(--option extra-sandbox-paths "/naive=$1")
}
_make_naive() {
    _naive "$1" && mkdir -m 777 "$1/store" && _std "${NAIVE[@]}" --arg naive true
}

# real_program DIR: a copy of the real program's sources and vendor tree (lib/program.sh).
real_program() {
    shared program fetch_program
    mkdir -p "$1"
    cp -a --reflink=auto "$SHARED/program/." "$1"
}
