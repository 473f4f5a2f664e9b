# The frame of a test case: it makes a scratch directory, a Nix store and a copy of the programs, and removes everything at the
# end. A case sources this file first. A case fails by its exit status, with the reason on stderr.
# Reads TEST_BIN (programs that are already built) and TEST_SHARED (lib/shared.sh). Sets the variables of lib/nix.sh and
# lib/daemon.sh, and SDK (the Go toolchain in the store).
# shellcheck shell=bash
set -euo pipefail

CASE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/namespaces.sh"
# A measurement sets OWN_DISK before it sources this file.
if [ -n "${OWN_DISK:-}" ]; then
    # shellcheck source-path=SCRIPTDIR
    source "$CASE_DIR/lib/own_disk.sh"
    on_own_disk
fi
WORK=$(mktemp -d "${TMPDIR:-/tmp}/gocacheprog-case.XXXXXX")
chmod 711 "$WORK"
export NIX_WORK=$WORK/nix
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/nix.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/daemon.sh"

_case_end() {
    local status=$?
    stop_daemon || true
    if [ "$status" != 0 ]; then
        echo "--- the daemon's log:" >&2
        tail -n 20 "$WORK/daemon.log" >&2 || true
    fi
    nix_cleanup || true
    # Mounts of the case would keep their directories; the latest may be in an earlier one.
    awk -v work="$WORK/" 'index($2, work) == 1 { print $2 }' /proc/self/mounts | tac | xargs -r umount --lazy || true
    # What still runs would write on. This shell is the first process of a namespace (lib/namespaces.sh), and all others end.
    disown -a # without a message for each
    if [ $$ = 1 ]; then kill -KILL -1 2> /dev/null || true; fi
    rm -rf "$WORK" 2> /dev/null || { sleep 1; rm -rf "$WORK"; }
    exit "$status"
}
trap _case_end EXIT

# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/expect.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/shared.sh"

build_programs
# A case without Nix sets NO_NIX before it sources this file.
[ -n "${NO_NIX:-}" ] || need_nix
new_state
[ -n "${NO_NIX:-}" ] || private_store

# build_matrix: builds the fault matrix (integration/matrix); sets matrix, its program.
build_matrix() {
    # shellcheck disable=SC2034 # for the case
    matrix=${TEST_BIN:-$(release_dir "$ROOT_DIR")}/matrix
    if [ -z "${TEST_BIN:-}" ]; then (cd "$ROOT_DIR" && cargo build --release --locked --quiet -p matrix); fi
}

# small VERSION [NIX-ARG...]: builds the small program with the setup hook; prints the output path.
small() {
    local version=$1
    shift
    _small "$version" "$@" 2> "$WORK/small-$version.log" || { tail -n 30 "$WORK/small-$version.log" >&2; return 1; }
}
_small() {
    local version=$1
    shift
    nixbuild "$CASE_DIR/nix/small.nix" --argstr gosdk "$SDK" --arg overlay "$ROOT_DIR/overlay/default.nix" \
        --argstr version "$version" "$@"
}

# naive VERSION [NIX-ARG...]: the same with naive sharing (lib/shared.sh).
naive() { small "$1" "${NAIVE[@]}" --arg naive true "${@:2}"; }

# store_is_whole: the name of every object is its sha256, and every record names an existing object of the right size.
store_is_whole() {
    local record output size
    (cd "$STATE/objects" && find . -type f -printf '%f  %p\n') > "$WORK/sums"
    (cd "$STATE/objects" && sha256sum --quiet --check "$WORK/sums") || return 1
    find "$STATE/records" -type f -exec cat {} + | while read -r record; do
        read -r _ _ output size _ <<< "$record"
        [ "$(stat -c %s "$STATE/objects/${output:0:1}/$output")" = "$size" ] || { echo "record of a missing object: $record" >&2; exit 1; }
    done
}

# no_builds_left: waits until the daemon has removed the directories of all builds, at most 80 seconds.
no_builds_left() {
    local tries
    for ((tries = 0; tries < 80; tries++)); do
        [ -n "$(ls -A "$STATE/builds")" ] || return 0
        sleep 1
    done
    ls "$STATE/builds" >&2
    return 1
}
