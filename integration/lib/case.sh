# The frame of a test case: a scratch directory, Nix, our programs, a running daemon, and an end that removes it all.
# A case sources this first, then does its work; it fails by its exit status, with the reason on stderr.
# Reads TEST_BIN (programs that were built already). Sets what lib/nix.sh and lib/daemon.sh say, and SDK.
# shellcheck shell=bash
set -euo pipefail

CASE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
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
    # Processes that a case has started beside.
    [ -z "${CASE_CHILDREN:-}" ] || kill "$CASE_CHILDREN" 2> /dev/null || true
    if [ "$status" != 0 ]; then
        echo "--- the daemon's log:" >&2
        tail -n 20 "$WORK/daemon.log" >&2 || true
    fi
    nix_cleanup || true
    rm -rf "$WORK"
    exit "$status"
}
trap _case_end EXIT

# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/expect.sh"

build_programs
# A case that sets NO_NIX first does without Nix.
[ -n "${NO_NIX:-}" ] || need_nix
new_state
[ -n "${NO_NIX:-}" ] || SDK=$(add_go_to_store)

# build_matrix: sets matrix, the program that does damage (integration/matrix).
build_matrix() {
    (cd "$ROOT_DIR" && cargo build --release --locked --quiet -p matrix)
    # shellcheck disable=SC2034 # for the case
    matrix=$(release_dir "$ROOT_DIR")/matrix
}

# with_gocache COMMAND...: with /gocache, as in a sandbox, for the command alone. An empty directory is all that the rest
# of the machine sees.
with_gocache() {
    local status=0
    [ ! -e /gocache ] || fail "/gocache exists already"
    mkdir /gocache
    trap 'status=$?; rmdir /gocache; (exit $status); _case_end' EXIT
    TMPDIR=$WORK unshare --mount --propagation private "$@" || status=$?
    rmdir /gocache
    trap _case_end EXIT
    return "$status"
}

# small VERSION [NIX-ARG...]: builds the small program with the hook; the output path on stdout.
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

# plain_sharing: from here on builds have a store of everyone's at /plain; see nix/small.nix.
plain_sharing() {
    mkdir -p "$WORK/plain/store"
    install -m 755 "$BIN/cacheprog-client" "$WORK/plain/store-client"
    # The client keeps toolchains apart by GOROOT and by who started it: here neither tells.
    printf '#!/bin/bash\nunset GOROOT GOTOOLDIR\n/plain/store-client "$@"\nexit $?\n' > "$WORK/plain/client"
    chmod 755 "$WORK/plain/client"
    chmod 777 "$WORK/plain/store"
    PLAIN=(--option extra-sandbox-paths "/plain=$WORK/plain")
}

# plain VERSION [NIX-ARG...]: as small, with plain sharing.
plain() { small "$1" "${PLAIN[@]}" --arg plain true "${@:2}"; }

# store_is_whole: every object's sha256 is its name, and every record names an object that is there with its size.
store_is_whole() {
    local record output size
    (cd "$STATE/objects" && find . -type f -printf '%f  %p\n') > "$WORK/sums"
    (cd "$STATE/objects" && sha256sum --quiet --check "$WORK/sums") || return 1
    find "$STATE/records" -type f -exec cat {} + | while read -r record; do
        read -r _ _ output size _ <<< "$record"
        [ "$(stat -c %s "$STATE/objects/${output:0:1}/$output")" = "$size" ] || { echo "record of a missing object: $record" >&2; exit 1; }
    done
}

# no_builds_left: within 80 seconds the daemon has removed every build's directory.
no_builds_left() {
    local tries
    for ((tries = 0; tries < 80; tries++)); do
        [ -n "$(ls -A "$STATE/builds")" ] || return 0
        sleep 1
    done
    ls "$STATE/builds" >&2
    return 1
}
