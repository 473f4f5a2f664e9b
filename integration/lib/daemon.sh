# The project's programs, for tests and demo: it builds them, copies them to where other users can run them, runs a daemon under
# an unprivileged uid in a scratch directory, and makes the pre-build-hook for it. Source it after lib/nix.sh.
# Sets BIN (the programs), STATE (the daemon's state directory), CONTROL (its socket), DAEMON_PID; reads WORK (a directory).
# shellcheck shell=bash
set -euo pipefail

DAEMON_UID=${DAEMON_UID:-42420}
DAEMON_PID=
ROOT_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source-path=SCRIPTDIR
source "$ROOT_DIR/integration/lib/target.sh"

# build_programs: the release programs, in WORK/bin; those of TEST_BIN, where that is set.
build_programs() {
    BIN=$WORK/bin
    if [ -z "${TEST_BIN:-}" ]; then
        (cd "$ROOT_DIR" && cargo build --release --locked --quiet -p cacheprogd -p cacheprogctl -p cacheprog-client -p prebuild-hook -p modproxy -p cacheprog-remote)
    fi
    install -D -m 755 -t "$BIN" "${TEST_BIN:-$(release_dir "$ROOT_DIR")}"/{cacheprogd,cacheprogctl,cacheprog-client,prebuild-hook,modproxy,cacheprog-remote}
}

# new_state: makes an empty state directory for the daemon's user, and a hook with its control socket.
new_state() {
    STATE=$WORK/state/cache
    CONTROL=$WORK/state/control.sock
    rm -rf "$WORK/state"
    mkdir -p "$WORK/state"
    chown "$DAEMON_UID:$DAEMON_UID" "$WORK/state"
    # nix.conf takes a program without arguments, and Nix passes its own environment on.
    printf '#!/bin/sh\nNIX_GOCACHEPROG_CONTROL=%s exec %s/prebuild-hook "$@"\n' "$CONTROL" "$BIN" > "$WORK/hook"
    chmod 755 "$WORK/hook"
    export PRE_BUILD_HOOK=$WORK/hook
}

# transparent_hook: makes WORK/transparent, a hook with the same socket in transparent mode.
transparent_hook() {
    printf 'GOCACHEPROG=/gocache-client\n' > "$WORK/go-env"
    ln -s "$BIN/prebuild-hook" "$WORK/transparent"
    printf '%s\n' 'mode = "transparent"' "go-env = '$WORK/go-env'" "control = '$CONTROL'" > "$WORK/transparent.toml"
}

# start_daemon: starts cacheprogd on STATE, with SERVE_ARGS if set, with its log in WORK/daemon.log; returns when it answers.
# Cases pass on a disk with little free space too: the daemon keeps the least free that it accepts, unless SERVE_ARGS has another value.
start_daemon() {
    local tries floor=(--min-free 64MiB)
    [[ " ${SERVE_ARGS[*]-} " != *" --min-free "* ]] || floor=()
    setpriv --reuid "$DAEMON_UID" --regid "$DAEMON_UID" --clear-groups \
        "$BIN/cacheprogd" serve --control-socket "$CONTROL" --state-dir "$STATE" ${floor[@]+"${floor[@]}"} \
        ${SERVE_ARGS[@]+"${SERVE_ARGS[@]}"} < /dev/null 2>> "$WORK/daemon.log" &
    DAEMON_PID=$!
    for ((tries = 0; tries < 200; tries++)); do
        if "$BIN/cacheprogctl" status --control-socket "$CONTROL" > /dev/null 2>&1; then return 0; fi
        kill -0 "$DAEMON_PID" 2> /dev/null || break
        sleep 0.05
    done
    echo "daemon.sh: cacheprogd did not start:" >&2
    tail -n 5 "$WORK/daemon.log" >&2
    return 1
}

# stop_daemon [SIGNAL]: ends the daemon, if one runs, and waits for it.
stop_daemon() {
    [ -n "$DAEMON_PID" ] || return 0
    kill "-${1:-TERM}" "$DAEMON_PID" 2> /dev/null || true
    wait "$DAEMON_PID" 2> /dev/null || true
    DAEMON_PID=
}

# status_json: prints the daemon's status. A case with a daemon in another place redefines it.
status_json() { "$BIN/cacheprogctl" status --json --control-socket "$CONTROL"; }

# builds_have_ended: waits until the daemon has noticed the end of all its builds, at most ten seconds.
builds_have_ended() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if [ "$(grep -c 'build .* ended' "$WORK/daemon.log")" -ge "$(grep -c 'build .* registered' "$WORK/daemon.log")" ]; then return 0; fi
        sleep 0.1
    done
    return 1
}

# table_is_made VIEW: waits for the table in a build's directory, at most eight seconds.
table_is_made() {
    local tries
    for ((tries = 0; tries < 400; tries++)); do
        if [ -s "$1/table" ]; then return 0; fi
        sleep 0.02
    done
    return 1
}

# daemon_ms: the daemon's CPU time up to now, in milliseconds.
daemon_ms() { awk '{ sub(/.*\) /, ""); print ($12 + $13) * 10 }' "/proc/$DAEMON_PID/stat"; }

# build_field NAME FIELD: prints a field of the latest build of that name, running or ended, from the daemon's status.
build_field() {
    status_json | awk -v name="$1" -v field="$2" '
        { gsub(/[",]/, ""); key = $1; sub(/:$/, "", key) }
        key == "id" { id = $2 }
        key == "name" { mine = ($2 == name) }
        mine && key == field && !found { print $2; found = 1 }
        mine && field == "id" && !found { print id; found = 1 }'
}

# shared_with NAME: whom the entries of the latest build of that name are for.
shared_with() {
    status_json | awk -v name="\"$1\"" '/"name":/ { mine = index($0, name) } mine && /"shared_with":/ { sub(/^[^:]*: "/, ""); sub(/",?$/, ""); print; exit }'
}

# archives_put BUILD-ID: prints the output ids of the compiled packages that this build was the first to put.
archives_put() {
    local record output
    grep -rhF $'\t'"$1"$'\t' "$STATE/records" | while read -r record; do
        output=$(cut -f3 <<< "$record")
        if [ "$(head -c 7 "$STATE/objects/${output:0:1}/$output")" = '!<arch>' ]; then echo "$output"; fi
    done
}
