# Proves, on a booted system with systemd and Nix 2.26 as Debian sets it up: the programs, installed as in the README, serve two
# users who build through the nix-daemon. Opt-in cold and warm, transparent mode, a restart in the middle of a build, idle exit
# and socket activation, the effect of the hardening, auto-allocate-uids, a remote store, the module proxy as a service; an uninstallation
# leaves nothing behind.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
set -euo pipefail
CASE_DIR=$(cd "$(dirname "$0")/.." && pwd)
source "$CASE_DIR/lib/namespaces.sh"
ROOT_DIR=$(cd "$CASE_DIR/.." && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/gocacheprog-machine.XXXXXX")
chmod 711 "$WORK"
source "$CASE_DIR/lib/target.sh"
source "$CASE_DIR/lib/daemon.sh"
source "$CASE_DIR/lib/tools.sh"
source "$CASE_DIR/lib/machine.sh"
source "$CASE_DIR/lib/doc_commands.sh"
finish() {
    local status=$?
    if [ "$status" != 0 ] && [ -n "$MACHINE_PID" ]; then
        on_machine journalctl --no-pager -n 40 -u nix-gocacheprog -u nix-gocacheprog-remote -u nix-daemon >&2 || true
    fi
    machine_stop
    rm -rf "$WORK"
    exit "$status"
}
trap finish EXIT
source "$CASE_DIR/lib/expect.sh"
source "$CASE_DIR/lib/remote_engines.sh"

build_programs
remote_programs
(cd "$CASE_DIR/programs/poisoncache" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOCACHEPROG='' go build -o "$BIN/poisoncache" .)
# An ssh that does not leave this machine. Nix waits for its first line.
mkdir "$BIN/ssh"
# shellcheck disable=SC2016
printf '%s\n' '#!/bin/bash' 'case "$*" in *"echo started"*) echo started ;; esac' 'exec nix-daemon --stdio' > "$BIN/ssh/ssh"
chmod 755 "$BIN/ssh/ssh"
machine_tools
machine_copy "$WORK/machine"
cat >> "$MACHINE/etc/nix/nix.conf" << 'CONF'
sandbox = true
sandbox-fallback = false
sandbox-paths = /bin /lib /lib64 /usr/bin /usr/lib /usr/lib64 /usr/libexec /usr/include /usr/share /etc/alternatives
substituters =
max-jobs = 2
CONF
# In Debian only that group may use the daemon.
for user in alice bob; do chroot "$MACHINE" useradd --create-home --shell /bin/bash --groups nix-users "$user"; done
machine_boot "--bind-ro=$ROOT_DIR:/opt/project" "--bind-ro=$(go env GOROOT):/opt/go" "--bind-ro=$BIN:/opt/bin"
on_machine nix-daemon --version
on_machine systemctl start nix-daemon.socket

# nix_small USER VERSION [NIX-ARG...]: that user builds the small program; prints the output path.
nix_small() {
    local user=$1 version=$2
    shift 2
    as "$user" env NIX_REMOTE=daemon nix-build --no-out-link /opt/project/integration/nix/small.nix --argstr gosdk /opt/go \
        --arg overlay /opt/project/overlay/default.nix --argstr version "$version" "$@" 2> "$WORK/small-$version.log" ||
        { tail -n 30 "$WORK/small-$version.log" >&2; return 1; }
}
# For build_field of lib/daemon.sh.
status_json() { on_machine cacheprogctl status --json; }
# all_files: lists all files in directories where an installation could leave one.
all_files() { (cd "$MACHINE" && find etc usr opt/bin var/cache var/lib run home root -not -path 'var/lib/systemd/*' -not -path 'etc/*.cache' | sort); }

quick=(--arg extra "{ $NO_TESTS }")
without=$(nix_small alice before --arg withHook false "${quick[@]}")

# Layers need nothing of ours on the machine.
if [ -n "${TEST_FULL:-}" ]; then
    mkdir -p "$MACHINE/opt/layers/programs/bin"
    cp -r "$CASE_DIR/programs/layered" "$MACHINE/opt/layers/src"
    cp "$BIN/cacheprog-client" "$BIN/cacheprogctl" "$MACHINE/opt/layers/programs/bin/"
    programs=$(as alice env NIX_REMOTE=daemon nix-store --add /opt/layers/programs)
    # layered NAME [NIX-ARG...]: alice builds the program with layers; prints the output path.
    layered() {
        as alice env NIX_REMOTE=daemon nix-build --no-out-link /opt/project/integration/nix/layered.nix --argstr gosdk /opt/go \
            --arg overlay /opt/project/overlay/default.nix --argstr programs "$programs" --arg src /opt/layers/src "${@:2}" 2> "$WORK/layered-$1.log" ||
            { tail -n 30 "$WORK/layered-$1.log" >&2; return 1; }
    }
    is "a program with layers" "firstfirst 7 8" "$(on_machine "$(layered first)/bin/layered")"
    sed -i 's/"first"/"edited"/' "$MACHINE/opt/layers/src/words/words.go"
    is "an edited one" "editededited 7 8" "$(on_machine "$(layered edited --argstr version 2)/bin/layered")"
    is "compiles what depends on the edit, and nothing else" "example.test/layered example.test/layered/words main " \
        "$(grep -oE '/compile .* -p [^ ]+' "$WORK/layered-edited.log" | sed 's/.* -p //' | sort -u | tr '\n' ' ')"
    for n in 1 2 3; do
        expect "its layer has the same bytes again, $n" test -n "$(layered check --argstr version 2 --argstr attribute goCache --check)"
    done
fi
all_files > "$WORK/before"

# README.md, "Or from source", as it is written there, after its first line and before its last one.
block=$(doc_block README.md 'cargo build --release')
on_machine sh -c 'mkdir -p /src/target/x/release && find /opt/bin -maxdepth 1 -type f -exec cp -t /src/target/x/release {} +'
on_machine bash -ec "cd /src; $(sed '1d; $d' <<< "$block")"
expect "the block begins with a build and ends with the installation" test "$(sed -n '1p; $p' <<< "$block" | paste -sd,)" = "cargo build --release,cacheprogctl install"
on_machine cacheprogctl install --dry-run > "$WORK/dry"
expect "a dry run changes nothing" diff <(all_files | grep -Ev '^usr/local/(bin|libexec)') <(grep -Ev '^usr/local/(bin|libexec)' "$WORK/before")
on_machine cacheprogctl install | tee "$WORK/installed"
expect "install does what its dry run printed" test -z "$(comm -23 <(sort "$WORK/dry") <(sort "$WORK/installed"))"
expect "a second install writes nothing" test -z "$(on_machine cacheprogctl install | grep -v '^systemctl\|^done\|^builds of ')"
expect "systemd accepts the units" test -z "$(on_machine sh -c 'systemd-analyze verify /etc/systemd/system/nix-gocacheprog* 2>&1 | grep gocacheprog')"
expect "the daemon is not started before it is needed" test "$(on_machine systemctl is-active nix-gocacheprog.service)" = inactive

source "$CASE_DIR/lib/requesters.sh"

echo "=== opt-in, two users"
expect "its socket started the daemon" on_machine systemctl is-active --quiet nix-gocacheprog.service
nix_small root 1 > /dev/null
expect "the first build puts" counts small-1 puts -gt 500
for user in alice bob; do
    nix_small "$user" "2-$user" "${quick[@]}" > /dev/null
    expect "root's entries are for $user too" counts "small-2-$user" hits -gt 500
done
expect "a user may ask for the status" as alice cacheprogctl status
expect "a user may not use the control socket" refused as alice cacheprogctl status --control-socket /run/nix-gocacheprog/control.sock

echo "=== a restart in the middle of a build"
# Other code for each package: the build puts much.
nix_small alice 3 --arg extra '{ GOAMD64 = "v2"; }' > /dev/null & build=$!
in_the_middle small-3
on_machine systemctl restart nix-gocacheprog.service
expect "the build succeeds" wait "$build"
expect "the build used the new daemon" counts small-3 puts -gt 101

echo "=== transparent"
drv() { as alice nix-instantiate /opt/project/integration/nix/small.nix --argstr gosdk /opt/go --arg withHook false --argstr version "$1" 2> /dev/null; }
plain=$(drv t1)
on_machine sed -i 's/^mode = .*/mode = "transparent"/' /etc/nix-gocacheprog/hook.toml
expect "the hook accepts its settings" on_machine /etc/nix-gocacheprog/hook --check /etc/nix-gocacheprog/hook.toml
first=$(nix_small alice t1 --arg withHook false)
expect "a transparent build hits on outputs of opt-in builds" counts small-t1 hits -gt 50
nix_small bob t2 --arg withHook false > /dev/null
expect "another user's build hits" counts small-t2 hits -gt 50
expect "transparent mode does not change the derivation" test "$(drv t1)" = "$plain"
expect "transparent mode does not change the program" cmp "$MACHINE$first/bin/small" "$MACHINE$without/bin/small"
on_machine sed -i 's/^mode = .*/mode = "opt-in"/' /etc/nix-gocacheprog/hook.toml

echo "=== auto-allocate-uids"
printf 'experimental-features = auto-allocate-uids nix-command\nauto-allocate-uids = true\n' >> "$MACHINE/etc/nix/nix.conf"
on_machine systemctl restart nix-daemon.service
nix_small alice 4 --arg extra '{ preBuild = "cat /proc/self/uid_map"; }' > /dev/null
expect "the build had a user of its own" grep -qE '^ +1000 +8724[0-9]+ ' "$WORK/small-4.log"
expect "a build with a user of its own hits" counts small-4 hits -gt 500

source "$CASE_DIR/lib/hardening.sh"

source "$CASE_DIR/lib/unsandboxed.sh"

source "$CASE_DIR/lib/remote_units.sh"

source "$CASE_DIR/lib/modproxy_unit.sh"

echo "=== settings"
# docs/reference/settings.md, "The daemon"; docs/reference/metrics.md.
settings() { printf '%s\n' "$@" > "$MACHINE/etc/nix-gocacheprog.toml"; on_machine systemctl restart nix-gocacheprog.service; }
cp -a "$MACHINE/etc/nix-gocacheprog.toml" "$WORK/installed.toml"
settings 'status-socket = "none"'
expect "a user is told that the status socket is switched off" grep -q 'status-socket = "none"' <(as alice timeout 10 cacheprogctl status 2>&1)
expect "root may ask for the status without it" on_machine cacheprogctl status
settings 'status-socket = "/run/elsewhere.sock"'
expect "a path where systemd has a socket is a warning" on_machine sh -c 'journalctl --no-pager -u nix-gocacheprog -p warning..warning | grep -q "ignoring status-socket = .*/run/elsewhere.sock"'
expect "users may ask at the socket of systemd" as alice cacheprogctl status
port=$((20000 + RANDOM % 10000)) # the machine has the network of all
drop_in metrics PrivateNetwork=no IPAddressAllow=localhost 'RestrictAddressFamilies=AF_INET AF_INET6'
settings "http = \"127.0.0.1:$port\""
expect "a drop-in allows metrics at a port" grep -q '^gocacheprog_entries [1-9]' <(curl -sS --max-time 10 "http://127.0.0.1:$port/metrics")
mv "$WORK/installed.toml" "$MACHINE/etc/nix-gocacheprog.toml"
on_machine rm /etc/systemd/system/nix-gocacheprog.service.d/metrics.conf
on_machine systemctl daemon-reload
on_machine systemctl restart nix-gocacheprog.service

echo "=== a daemon that hangs"
drop_in watchdog WatchdogSec=2 TimeoutStopSec=2
on_machine systemctl restart nix-gocacheprog.service
hung=$(on_machine systemctl show -P MainPID nix-gocacheprog.service)
on_machine kill -STOP "$hung"
again=$hung
for ((tries = 0; tries < 60; tries++)); do
    again=$(on_machine systemctl show -P MainPID nix-gocacheprog.service)
    if [ "$again" != "$hung" ] && [ "$again" != 0 ]; then break; fi
    sleep 0.5
done
expect "systemd restarts a daemon that hangs" test "$again" != "$hung" -a "$again" != 0
on_machine rm /etc/systemd/system/nix-gocacheprog.service.d/watchdog.conf
on_machine systemctl daemon-reload
on_machine systemctl restart nix-gocacheprog.service
nix_small bob watched "${quick[@]}" > /dev/null
expect "builds hit again" counts small-watched hits -gt 500

echo "=== idle exit and socket activation"
# Builds are kept for a minute at least.
drop_in idle 'ExecStart=' 'ExecStart=/usr/local/libexec/nix-gocacheprog/cacheprogd serve --idle-exit 3'
on_machine systemctl restart nix-gocacheprog.service
gone=no
for ((tries = 0; tries < 120; tries++)); do
    if [ "$(on_machine systemctl is-active nix-gocacheprog.service)" = inactive ]; then gone=yes; break; fi
    sleep 1
done
is "the daemon ends without a live build" yes "$gone"
expect "the log says why it ended" on_machine sh -c 'journalctl --no-pager -u nix-gocacheprog -n 5 | grep -q "idle for .* s: exiting"'
expect "its socket keeps listening" on_machine systemctl is-active --quiet nix-gocacheprog.socket
nix_small bob 5 "${quick[@]}" > /dev/null
expect "a build starts the daemon, and hits" counts small-5 hits -gt 500
expect "the daemon does not end while a build runs" test "$(sleep 6; on_machine systemctl is-active nix-gocacheprog.service)" = active
on_machine rm -r /etc/systemd/system/nix-gocacheprog.service.d

echo "=== a daemon of one user"
on_machine systemctl start "user@$(on_machine id -u alice).service"
runtime=/run/user/$(on_machine id -u alice)
own() { as alice env "XDG_RUNTIME_DIR=$runtime" "$@"; }
own cacheprogctl install --user > /dev/null
expect "the socket listens" own systemctl --user is-active --quiet nix-gocacheprog.socket
expect "the socket starts the daemon" own cacheprogctl status --user
expect "and it is found without variables" as alice cacheprogctl status --user
own cacheprogctl uninstall --user --yes > /dev/null
expect "uninstall removes socket and daemon" refused own systemctl --user is-active --quiet nix-gocacheprog.socket nix-gocacheprog.service

echo "=== uninstalled"
on_machine cacheprogctl uninstall < /dev/null | sed 's/^/    /'
expect "without a terminal the cache is kept" test -d "$MACHINE/var/cache/private/nix-gocacheprog"
on_machine cacheprogctl uninstall --yes | sed 's/^/    /'
expect "a further uninstall removes nothing" test -z "$(on_machine cacheprogctl uninstall | grep -v ^systemctl)"
on_machine rm -r /src /usr/local/libexec/nix-gocacheprog /usr/local/bin/cacheprogctl /usr/local/bin/cacheprog-client /usr/local/bin/cacheprog-remote
all_files > "$WORK/after"
expect "no file is left" test -z "$(comm -13 "$WORK/before" "$WORK/after" | grep -i gocache)"
expect "no group is left" refused on_machine getent group nix-gocacheprog-remote-socket
expect "nix.conf is as before" test "$(grep -c gocache "$MACHINE/etc/nix/nix.conf")" = 0
nix_small alice 6 "${quick[@]}" > /dev/null
expect "builds work without a cache afterwards" test ! -e "$MACHINE/var/cache/private/nix-gocacheprog"
echo "summary: a booted system: opt-in, transparent, two users, restart, watchdog, idle exit, hardening, auto-allocate-uids, remote store, uninstalled"
