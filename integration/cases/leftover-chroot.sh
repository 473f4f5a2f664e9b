# Proves that a build counts as ended when its nix-daemon was killed, although its chroot stays, and that the same derivation
# builds again.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
start_nix_daemon
small 1 --arg extra '{ preCheck = "echo waiting; sleep 1000"; }' > /dev/null 2>&1 & client=$!
for ((tries = 0; tries < 600; tries++)); do
    if grep -qs '^waiting' "$WORK/small-1.log"; then break; fi
    sleep 0.2
done
expect "the build is in progress" grep -q '^waiting' "$WORK/small-1.log"
expect "the build has a directory" test "$(find "$STATE/builds" -mindepth 1 -maxdepth 1 | wc -l)" = 1
# The nix-daemon of this case, the worker that runs the build, and the builder.
mapfile -t family < <(pgrep -P "$NIX_DAEMON_PID")
kill -KILL "${family[@]}" "$NIX_DAEMON_PID"
wait "$client" || true
wait "$NIX_DAEMON_PID" 2> /dev/null || true
NIX_DAEMON_PID=
pkill -KILL -f '^sleep 1000$' || true
left=$(find /nix/store -maxdepth 1 -name '*-small-1.drv.chroot')
expect "a chroot was left behind" test -n "$left"
expect "the build's directory is removed, though the chroot stays" no_builds_left
expect "the chroot still exists" test -e "$left"
rm -f "$WORK/nix/daemon.sock"
start_nix_daemon
small 1 --arg extra '{ preCheck = "echo again"; }' > /dev/null
expect "a later build hits" counts small-1 hits -gt 300
rm -rf "$left"
