# Proves that doctor finds nothing bad on a healthy installation, and each of the prepared faults, with a fix.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"

printf 'pre-build-hook = %s\nsandbox = true\n' "$WORK/hook" > "$WORK/nix.conf"
printf 'min-free = "1GiB"\n' > "$WORK/settings.toml"
start_daemon
DOCTOR=(--nix-conf "$WORK/nix.conf" --config "$WORK/settings.toml" --client "$BIN/cacheprog-client"
    --control-socket "$CONTROL" --state-dir "$STATE")
doctor() { "$BIN/cacheprogctl" doctor "${DOCTOR[@]}" > "$WORK/found" 2> "$WORK/err"; }
# finds LEVEL WHAT FOUND FIX: the last run found it, and names the fix.
faults=0
finds() {
    if ! grep -A 1 -F "$1 $2: " "$WORK/found" | tr '\n' ' ' | grep -F -- "$3" | grep -qF -- "$4"; then
        cat "$WORK/found" "$WORK/err" >&2
        fail "not found: $1 $2: $3; $4"
    fi
    faults=$((faults + 1))
    echo "ok: $2: $3"
}
# is_bad: a run whose exit code says that something is bad.
is_bad() { if doctor; then cat "$WORK/found" >&2; fail "exit code 0"; fi; }

doctor || { cat "$WORK/found" "$WORK/err" >&2; fail "something is bad on a healthy installation"; }
expect "nothing is bad" test "$(grep -c '^bad ' "$WORK/found")" = 0

printf 'sandbox = true\n' > "$WORK/nix.conf"
is_bad
if [ -e /etc/nix-gocacheprog/hook ]; then fix='add the line: pre-build-hook ='; else fix='run `cacheprogctl install`'; fi
finds 'bad ' "Nix's pre-build-hook" none "$fix"
printf 'pre-build-hook = %s/gone/prebuild-hook\nsandbox = false\n' "$WORK" > "$WORK/nix.conf"
is_bad
finds 'bad ' "the hook's program" "does not exist: every build fails" install
finds 'bad ' "Nix's sandbox" "sandbox = false" "sandbox = true in nix.conf"
printf 'pre-build-hook = %s\n' "$WORK/hook" > "$WORK/nix.conf"
chmod 700 "$WORK/hook"
is_bad
finds 'bad ' "the hook's program" "mode 0700" "chmod 755 $WORK/hook"
chmod 755 "$WORK/hook"
printf '#!/bin/sh\n' > "$WORK/another" && chmod 755 "$WORK/another"
printf 'pre-build-hook = %s\n' "$WORK/another" > "$WORK/nix.conf"
doctor || fail "another hook is not bad by itself"
finds warn "Nix's pre-build-hook" "does not look like nix-gocacheprog's hook" "your hook into \`chain\` in hook.toml"
printf 'pre-build-hook = %s\n' "$WORK/hook" > "$WORK/nix.conf"
echo 'mode = "opt-in"' > "$WORK/hook.toml"
doctor || fail "right settings of the hook are not bad"
expect "right settings of the hook are good" grep -qx "good the hook's settings: $WORK/hook.toml: valid" "$WORK/found"
echo 'mode = "opt-inn"' > "$WORK/hook.toml"
is_bad
finds 'bad ' "the hook's settings" "hook.toml" "correct the file: builds get no cache with it"
rm "$WORK/hook.toml"

chmod 744 "$BIN/cacheprog-client"
is_bad
finds 'bad ' "the client's program" "mode 0744" "chmod 755"
chmod 755 "$BIN/cacheprog-client"
printf '#!/bin/sh\necho cacheprog-client 0.0.1\n' > "$WORK/old-client" && chmod 755 "$WORK/old-client"
"$BIN/cacheprogctl" doctor "${DOCTOR[@]/"$BIN/cacheprog-client"/"$WORK/old-client"}" > "$WORK/found" 2> "$WORK/err" && fail "exit code 0"
finds 'bad ' "the client's version" "0.0.1, and this program is" "programs of one package"

chmod 666 "$CONTROL"
doctor || fail "an open control socket is not bad: others are refused"
finds warn "the control socket" "mode 0666" "chmod 600 $CONTROL"
chmod 600 "$CONTROL"
chmod 600 "$WORK/state/status.sock"
doctor || fail "a closed status socket is not bad"
finds warn "the status socket" "mode 0600" SocketMode=0666
chmod 666 "$WORK/state/status.sock"

chmod 700 "$WORK/state"
is_bad
finds 'bad ' "the state directory" "$WORK/state is closed to other users" "chmod o+x $WORK/state"
chmod 755 "$WORK/state"
printf 'max-sise = "1GiB"\n' > "$WORK/settings.toml"
is_bad
finds 'bad ' "the settings" "settings.toml, line 1: unknown field \`max-sise\`" "correct the file"
printf 'min-free = "900TiB"\n' > "$WORK/settings.toml"
is_bad
finds 'bad ' "free space" "all entries are evicted" "lower min-free"
printf 'min-free = "1GiB"\n' > "$WORK/settings.toml"

printf 'min-free = "1GiB"\n[trust]\nwriters = ["root", "carol", "@none"]\n' > "$WORK/settings.toml"
doctor || fail "a writer whom the machine does not know is not bad"
finds warn "users whose builds are shared with all users" "does not know carol, @none" "written as numbers"
printf 'min-free = "1GiB"\n' > "$WORK/settings.toml"
printf 'trusted-users = bin @root\nextra-trusted-users = daemon\n' >> "$WORK/nix.conf"
doctor || fail "a user whom Nix trusts is not bad"
finds warn "users whose builds are shared with all users" "Nix trusts bin, @root, daemon (trusted-users)" "under \`[trust]\`"
printf 'min-free = "1GiB"\n[trust]\nwriters = ["root", "2", "@root"]\nrelays = ["daemon"]\n' > "$WORK/settings.toml"
doctor || fail "writers are not bad"
expect "writers and relays, by name or number, are enough" grep -qx "good users whose builds are shared with all users: root, 2, @root" "$WORK/found"
printf 'min-free = "1GiB"\n' > "$WORK/settings.toml"
printf 'pre-build-hook = %s\n' "$WORK/hook" > "$WORK/nix.conf"

# A process with the name of Nix' daemon and without a connection runs the hook.
ln -s /bin/bash "$WORK/nix-daemon"
mkdir -p "$WORK/unknown.drv.chroot/root/etc"
touch "$WORK/unknown.drv.chroot/root/etc/hosts" # as without a network
"$WORK/nix-daemon" -c '"$0" "$@"; exit' "$WORK/hook" "/nix/store/00000000000000000000000000000000-unknown.drv" "$WORK/unknown.drv.chroot/root" > /dev/null
doctor || fail "a build of an unknown user is not bad"
finds warn "who asks for builds" "of the last 1 builds, which share nothing: nix-daemon has no connection of" NIX_DAEMON_SOCKET_PATH
rm -rf "$WORK/unknown.drv.chroot"

# A variable that changes in each build, as a revision does, keeps C from being shared.
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/fake_builds.sh"
mkdir -p "$WORK/src" && cd "$WORK/src"
printf 'module example.test/m\n\ngo 1.21\n' > go.mod
printf 'package m\n\n// int one(void) { return 1; }\nimport "C"\n\nfunc One() int { return int(C.one()) }\n' > m.go
for rev in 1 2 3 4; do
    GOPROXY=off CGO_ENABLED=1 fake_build web-1.0 env NIX_BUILD_TOP="$WORK/src" REV=$rev go build ./...
    end_fake_builds
    doctor || fail "a variable that changes is not bad"
    if [ "$rev" != 4 ]; then expect "$rev builds: doctor is silent" grep -q '^good variables that change in each build' "$WORK/found"; fi
done
finds warn "variables that change in each build" "REV in each of the last 3 builds of web (" ldflags
cd "$WORK"

stop_daemon
is_bad
finds 'bad ' "the daemon" "no daemon answers" "systemctl start"
finds 'bad ' "the control socket" "does not exist" "start the daemon"
echo 'nix-gocacheprog store 9' > "$STATE/format"
is_bad
finds 'bad ' "the state directory" "another format: nix-gocacheprog store 9" "another --state-dir"
echo 'nix-gocacheprog store 1' > "$STATE/format"
is_bad
finds 'bad ' "the state directory" "earlier format: nix-gocacheprog store 1" "restart the daemon: it replaces the old entries"

"$BIN/cacheprogctl" doctor --json "${DOCTOR[@]}" > "$WORK/json" 2> /dev/null && fail "exit code 0"
expect "as JSON too" grep -q '"level": "bad"' "$WORK/json"
echo "summary: $faults findings for as many prepared faults, each with its fix"
