# Proves that builds hit where /proc hides other users' processes (hidepid=2), where there are no user namespaces, and where the
# hook, its settings, the client and the state are at paths with spaces.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"

# All paths that the user chooses have a space.
mkdir "$WORK/my programs" "$WORK/my hook"
cp "$BIN"/* "$WORK/my programs"
BIN="$WORK/my programs"
STATE="$WORK/state/my cache"
CONTROL="$WORK/state/my control.sock"
PRE_BUILD_HOOK="$WORK/my hook/pre build hook"
ln -s "$BIN/prebuild-hook" "$PRE_BUILD_HOOK"
printf '%s\n' 'mode = "opt-in"' "control = '$CONTROL'" > "$PRE_BUILD_HOOK.toml"
expect "the hook accepts its settings" "$BIN/prebuild-hook" --check "$PRE_BUILD_HOOK.toml"
warm_start
printf 'sandbox = true\npre-build-hook = %s\n' "$PRE_BUILD_HOOK" > "$WORK/nix.conf"
"$BIN/cacheprogctl" doctor --nix-conf "$WORK/nix.conf" --control-socket "$CONTROL" --state-dir "$STATE" > "$WORK/doctor" || true
expect "doctor finds nothing bad" refused grep '^bad ' "$WORK/doctor"
# Prints whose processes a build sees and as whom it runs; compiles nothing twice.
quick="{ $NO_TESTS preBuild = \"echo uid_map \$(cat /proc/self/uid_map)\"; }"
small spaces --arg extra "$quick" > /dev/null
expect "paths with spaces: a build hits" counts small-spaces hits -gt 500
expect "it has a user namespace" grep -qE '^uid_map +[0-9]+ +[0-9]+ +1$' "$WORK/small-spaces.log"

# This /proc is the case's own.
mount -o remount,hidepid=2 /proc
hidden() { refused setpriv --reuid 4242 --regid 4242 --clear-groups cat "/proc/$DAEMON_PID/cmdline"; }
expect "hidepid=2: users see no other users' processes" hidden
stop_daemon
start_daemon
small hidepid --arg extra "$quick" > /dev/null
expect "hidepid=2: a build hits" counts small-hidepid hits -gt 500
expect "hidepid=2: on outputs of the first build too" counts small-hidepid packages_compiled -eq 0
# A user's go command with a store of the user's own.
mkdir -p "$WORK/home/src"
printf 'module example.test/m\n\ngo 1.21\n' > "$WORK/home/src/go.mod"
chown -R 4242:4242 "$WORK/home"
user_build() {
    (cd "$WORK/home/src" && setpriv --reuid 4242 --regid 4242 --clear-groups env -i PATH="$PATH" HOME="$WORK/home" CGO_ENABLED=0 GOTOOLCHAIN=local \
        GOFLAGS= GOPROXY=off GOENV=off GOCACHE="$WORK/home/gocache" GOCACHEPROG="'$BIN/cacheprog-client'" go build -v internal/goos 2>&1)
}
expect "hidepid=2: a user's build compiles once" test "$(user_build)" = internal/goos
rm -rf "$WORK/home/gocache"
expect "hidepid=2: and then hits" test -z "$(user_build)"

# Nix looks there; nothing else here makes user namespaces.
echo 0 > "$WORK/none"
mount --bind "$WORK/none" /proc/sys/user/max_user_namespaces
small without --arg extra "$quick" > /dev/null
expect "without user namespaces: the build had none" grep -qE '^uid_map +0 +0 +4294967295$' "$WORK/small-without.log"
expect "without user namespaces: a build hits" counts small-without hits -gt 500
expect "without user namespaces: on outputs of the first build too" counts small-without packages_compiled -eq 0
umount /proc/sys/user/max_user_namespaces
if [ -e /proc/sys/kernel/yama/ptrace_scope ]; then
    echo "    kernel.yama.ptrace_scope is $(cat /proc/sys/kernel/yama/ptrace_scope) here"
else
    echo "    not tried: this kernel has no kernel.yama.ptrace_scope"
fi
stop_daemon
echo "summary: builds hit with hidepid=2, without user namespaces, and at paths with spaces"
