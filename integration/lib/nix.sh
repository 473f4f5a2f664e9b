# Real Nix for tests and the demo: sandboxed builds as root, on a machine that has only Debian's nix-bin, or Nix set up
# properly, with no change to the machine's settings, users or groups. Source it; it sets `set -euo pipefail`.
# Settings go in by NIX_CONFIG. Build users that the machine lacks exist only in the mount namespace of the Nix process
# (copies of passwd and group bound over the real ones there), so nothing is left behind even after kill -9.
# NIX_MACHINE=1 uses a Nix that is set up properly, with its users, substituters and nixpkgs (not tried).
# Reads: NIX_WORK (a private directory; made when unset), NIX_DIVERTED_STORE (a directory for --store; unset: /nix/store),
# PRE_BUILD_HOOK (a program), NIX_MAX_JOBS, NIX_EXTRA_CONFIG (lines of nix.conf), NIX_PRIVATE (the store goes with this run).
# Call need_nix first, in the main shell, and nix_cleanup in an EXIT trap: it deletes what this run built.
# shellcheck shell=bash
set -euo pipefail

NIX_LIB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR
source "$NIX_LIB_DIR/tools.sh"
NIX_BUILD_GROUP=nixbld
NIX_BUILD_USERS=8
NIX_DAEMON_PID=
NIX_STARTED=

# need_nix: nix-build is there, or is installed from Debian; a clear message and status 1 when neither is possible.
need_nix() {
    if [ "$(id -u)" != 0 ]; then
        echo "nix.sh: sandboxed builds with separate build users need root" >&2
        return 1
    fi
    if ! need_tools nix-build=nix-bin; then
        echo "nix.sh: install Nix first" >&2
        return 1
    fi
    if ! unshare --mount true; then
        echo "nix.sh: this root may not make mount namespaces, so Nix's sandbox cannot work here" >&2
        return 1
    fi
    _nix_start
}

# The private directory and the build users; once a run.
_nix_start() {
    [ -z "$NIX_STARTED" ] || return 0
    NIX_WORK=${NIX_WORK:-$(mktemp -d "${TMPDIR:-/tmp}/nixwork.XXXXXX")}
    NIX_WORK=$(realpath -m "$NIX_WORK")
    # nix_cleanup removes both directories, so they must be ours.
    if [ -n "$(ls -A "$NIX_WORK" 2> /dev/null)" ] && [ ! -e "$NIX_WORK/before" ]; then
        echo "nix.sh: NIX_WORK=$NIX_WORK is not empty and was not made by nix.sh" >&2
        return 1
    fi
    if [ -n "${NIX_DIVERTED_STORE:-}" ] && [ "$(realpath -m "$NIX_DIVERTED_STORE")" = / ]; then
        echo "nix.sh: NIX_DIVERTED_STORE must not be /; leave it unset for the machine's store" >&2
        return 1
    fi
    mkdir -p "$NIX_WORK/logs" "$NIX_WORK/users"
    if [ -z "${NIX_MACHINE:-}" ] && [ -z "$(getent group "$NIX_BUILD_GROUP" | cut -d: -f4)" ]; then
        NIX_BUILD_GROUP=gocachetest
        _nix_write_users "$NIX_WORK/users"
    fi
    if [ ! -e "$NIX_WORK/before" ]; then
        find "${NIX_DIVERTED_STORE:-}/nix/store" -mindepth 1 -maxdepth 1 -printf '%f\n' > "$NIX_WORK/before" 2> /dev/null || true
    fi
    NIX_STARTED=1
}

# _nix_write_users DIR: passwd and group as on the machine and our group with its users, with unused ids.
_nix_write_users() {
    # Not always the same: Nix ends all processes of a build's user before a build, also those of another run.
    local base=$((41000 + RANDOM % 90 * 100)) n names=()
    while [ -n "$(getent group "$base" || true)$(seq "$base" $((base + NIX_BUILD_USERS)) | xargs getent passwd || true)" ]; do
        base=$((base + 100))
    done
    cp /etc/passwd "$1/passwd"
    cp /etc/group "$1/group"
    for ((n = 1; n <= NIX_BUILD_USERS; n++)); do
        names+=("$NIX_BUILD_GROUP$n")
        echo "$NIX_BUILD_GROUP$n:x:$((base + n)):$base:Nix build user:/var/empty:/usr/sbin/nologin" >> "$1/passwd"
    done
    (IFS=, && echo "$NIX_BUILD_GROUP:x:$base:${names[*]}") >> "$1/group"
}

# The host's tools that the nixpkgs stub is made of; those that exist here.
_nix_sandbox_paths() {
    local path
    for path in /bin /lib /lib64 /usr/bin /usr/lib /usr/lib64 /usr/libexec /usr/include /usr/share /etc/alternatives /etc/ssl; do
        [ ! -e "$path" ] || printf '%s ' "$path"
    done
}

# nix_config: the settings of this run, as in nix.conf; with NIX_MACHINE set only ours, on top of the machine's.
nix_config() {
    if [ -n "${NIX_MACHINE:-}" ]; then
        printf 'sandbox = true\npre-build-hook = %s\n' "${PRE_BUILD_HOOK:-}"
        return
    fi
    cat << CONFIG
sandbox = true
sandbox-fallback = false
sandbox-paths = $(_nix_sandbox_paths)
substituters =
build-users-group = $NIX_BUILD_GROUP
max-jobs = ${NIX_MAX_JOBS:-1}
pre-build-hook = ${PRE_BUILD_HOOK:-}
${NIX_EXTRA_CONFIG:-}
CONFIG
}

# with_build_users COMMAND ARG...: the command, replacing this shell, where the build users exist.
with_build_users() {
    if [ -e "$NIX_WORK/users/passwd" ]; then
        # shellcheck disable=SC2016 # expanded by the inner shell
        exec unshare --mount --propagation private bash -euc '
            mount --bind "$0/passwd" /etc/passwd
            mount --bind "$0/group" /etc/group
            exec "$@"' "$NIX_WORK/users" "$@"
    fi
    exec "$@"
}

# nix_run PROGRAM ARG...: a Nix program with this run's settings, through the private daemon when one was started.
nix_run() {
    _nix_start
    local program=$1
    shift
    if [ -n "$NIX_DAEMON_PID" ]; then
        NIX_DAEMON_SOCKET_PATH="$NIX_WORK/daemon.sock" NIX_REMOTE=daemon "$program" "$@"
    else
        (
            NIX_CONFIG=$(nix_config)
            export NIX_CONFIG
            unset NIX_REMOTE
            with_build_users "$program" ${NIX_DIVERTED_STORE:+--store "$NIX_DIVERTED_STORE"} "$@"
        )
    fi
}

# nixbuild ARG...: nix-build without a result link; output paths on stdout, the log on stderr and in NIX_WORK/logs.
nixbuild() {
    _nix_start
    local status=0 log links=(--no-out-link)
    case " $* " in *" -o "* | *" --out-link "*) links=() ;; esac
    log=$(mktemp "$NIX_WORK/logs/build.$(date +%s.%N).XXXX")
    { nix_run nix-build "${links[@]}" "$@" 2>&1 >&3 3>&- | tee "$log" >&2; } 3>&1 || status=$?
    return "$status"
}

# last_log: the file with the log of the newest nixbuild, finished or failed.
last_log() { find "$NIX_WORK/logs" -name 'build.*' | sort | tail -n 1; }

# add_go_to_store [GOROOT|VERSION]: the Go toolchain as a store path, without tests and documents; printed. Without an
# argument the `go` in PATH; a version (1.25.5) is fetched with Go's own toolchain mechanism.
add_go_to_store() {
    _nix_start
    local goroot=${1:-}
    case $goroot in
        "") goroot=$(go env GOROOT) ;;
        [0-9]*) goroot=$(cd / && GOTOOLCHAIN="go$goroot" GOFLAGS='' go env GOROOT) ;;
    esac
    goroot=$(nix_run nix-instantiate --eval --read-write-mode --argstr goroot "$goroot" "$NIX_LIB_DIR/../nixpkgs_stub/gosdk.nix")
    tr -d '"' <<< "$goroot" | tee -a "$NIX_WORK/added"
}

# start_nix_daemon: a private nix-daemon with this run's settings; from here on nix_run and nixbuild use it.
start_nix_daemon() {
    _nix_start
    local waited
    (
        unset NIX_REMOTE
        NIX_CONFIG=$(nix_config)
        [ -z "${NIX_DIVERTED_STORE:-}" ] || NIX_CONFIG+=$'\n'"store = $NIX_DIVERTED_STORE"
        export NIX_CONFIG NIX_DAEMON_SOCKET_PATH="$NIX_WORK/daemon.sock"
        with_build_users nix-daemon
    ) < /dev/null >> "$NIX_WORK/logs/daemon" 2>&1 &
    NIX_DAEMON_PID=$!
    for ((waited = 0; waited < 100; waited++)); do
        [ ! -S "$NIX_WORK/daemon.sock" ] || return 0
        kill -0 "$NIX_DAEMON_PID" 2> /dev/null || break
        sleep 0.1
    done
    echo "nix.sh: nix-daemon did not start, see $NIX_WORK/logs/daemon" >&2
    stop_nix_daemon
    return 1
}

# stop_nix_daemon: end it; connections that are open end with their clients. Nothing to do when none was started.
stop_nix_daemon() {
    [ -n "$NIX_DAEMON_PID" ] || return 0
    kill "$NIX_DAEMON_PID" 2> /dev/null || true
    wait "$NIX_DAEMON_PID" 2> /dev/null || true
    rm -f "$NIX_WORK/daemon.sock"
    NIX_DAEMON_PID=
}

# store_delete PATH...: delete store paths, as far as nothing outside the list needs them.
store_delete() {
    [ "$#" -gt 0 ] || return 0
    nix_run nix-store --delete "$@" > /dev/null 2>&1 && return 0
    local path
    for path in "$@"; do nix_run nix-store --delete "$path" > /dev/null 2>&1 || true; done
}

# run_paths: the store paths that the logged builds of this run made or added: their derivations' closures, less what
# was in the store before. Another run's paths are not among them unless both built the same thing.
run_paths() {
    local drvs=() drv
    while read -r drv; do
        [ ! -e "${NIX_DIVERTED_STORE:-}$drv" ] || drvs+=("$drv")
    done < <(cat "$NIX_WORK"/logs/* | grep -oE '/nix/store/[a-z0-9]{32}-[^ '"'"':]+\.drv' | sort -u)
    {
        [ ! -e "$NIX_WORK/added" ] || cat "$NIX_WORK/added"
        [ "${#drvs[@]}" = 0 ] || nix_run nix-store --query --requisites --include-outputs "${drvs[@]}"
    } | sort -u | grep -vxFf <(sed 's|^|/nix/store/|' "$NIX_WORK/before") || true
}

# nix_cleanup: stop the daemon, delete what this run added to the store (of a diverted store all), remove NIX_WORK.
nix_cleanup() {
    [ -n "$NIX_STARTED" ] || return 0
    stop_nix_daemon
    if [ -n "${NIX_DIVERTED_STORE:-}" ]; then
        chmod -R u+w "$NIX_DIVERTED_STORE/nix" 2> /dev/null || true
        rm -rf "$NIX_DIVERTED_STORE/nix"
    elif [ -z "${NIX_PRIVATE:-}" ]; then
        local paths
        mapfile -t paths < <(run_paths)
        store_delete "${paths[@]}"
    fi
    rm -rf "$NIX_WORK"
    NIX_STARTED=
}
