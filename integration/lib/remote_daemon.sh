# Machines with Nix and a daemon that share a remote store: on one machine, one after the other, each with a state directory of its own. Source it
# after lib/case.sh and lib/remote_engines.sh. Reads WORK and BIN.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
set -euo pipefail

REMOTE_PID=
# What cacheprog-remote runs in: a network namespace, in measurements.
REMOTE_IN=()

# remote_keys: sets KEY and OTHER, public keys; the secret ones are in WORK/key and WORK/other, which the daemon's user can read.
remote_keys() {
    KEY=$("$BIN/cacheprog-remote" keygen ci-1 --secret-key-file "$WORK/key")
    OTHER=$("$BIN/cacheprog-remote" keygen other-1 --secret-key-file "$WORK/other")
    chown "$DAEMON_UID" "$WORK/key" "$WORK/other"
}

# start_remote URL [LINE...]: cacheprog-remote for this remote store, with more lines of settings.
start_remote() {
    local url=$1 tries
    shift
    stop_remote
    printf '%s\n' '[remote]' "url = '$url'" "socket = '$WORK/remote/objects.sock'" "$@" > "$WORK/remote.toml"
    mkdir -p "$WORK/remote"
    ${REMOTE_IN[@]+"${REMOTE_IN[@]}"} "$BIN/cacheprog-remote" serve --config "$WORK/remote.toml" < /dev/null 2>> "$WORK/remote.log" &
    REMOTE_PID=$!
    for ((tries = 0; tries < 100; tries++)); do
        [ ! -S "$WORK/remote/objects.sock" ] || break
        sleep 0.05
    done
    chown "$DAEMON_UID" "$WORK/remote/objects.sock"
}
stop_remote() {
    [ -n "$REMOTE_PID" ] || return 0
    kill "$REMOTE_PID" 2> /dev/null || true
    wait "$REMOTE_PID" 2> /dev/null || true
    REMOTE_PID=
    rm -f "$WORK/remote/objects.sock"
}

# new_machine URL [LINE...]: an empty store and a daemon whose settings have this of the remote store.
new_machine() {
    local url=$1
    shift
    stop_daemon
    new_state
    printf '%s\n' '[remote]' "url = '$url'" "socket = '$WORK/remote/objects.sock'" "$@" > "$WORK/daemon.toml"
    : > "$WORK/daemon.log" # its builds alone
    SERVE_ARGS=(--config "$WORK/daemon.toml")
    start_daemon
}
writes() { echo 'write = "all"'; echo "secret-key-file = '$WORK/key'"; }
trusts() { echo "trusted-public-keys = ['${1:-$KEY}']"; }

# remote_field NAME: a field of the status of the remote store.
remote_field() { status_json | python3 -c 'import json, sys; print(json.load(sys.stdin)["remote"].get(sys.argv[1], ""))' "$1"; }

# uploaded COUNT [SECONDS]: waits until so many indexes were put and nothing waits, at most a minute, or so many seconds.
uploaded() {
    local until=$((SECONDS + ${2:-60}))
    while [ "$SECONDS" -lt "$until" ]; do
        if [ "$(remote_field uploads)" -ge "$1" ] && [ "$(remote_field waiting)" = 0 ]; then return 0; fi
        sleep 0.2
    done
    status_json | grep -A 9 '"remote"' >&2
    return 1
}
