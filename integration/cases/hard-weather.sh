# Proves that builds end right, and later ones hit, where the daemon and its state meet: a backup restored under another owner and
# other times, a daemon of another protocol (with `integration/test --full`), another boot, the cgroup's memory limit, a limit of
# its address space, a file system made read-only, 64 descriptors, no inodes.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2153
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/fake_builds.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/cgroup.sh"
need_tools python3=python3-minimal

# Packages of Go that need few others: a second of compiling. The build lists them in two go commands, with what was compiled.
export FIRST='internal/goarch internal/goos cmp math/bits internal/cpu internal/abi internal/byteorder internal/runtime/atomic'
export SECOND='internal/profilerecord unicode/utf8 unicode sync/atomic unicode/utf16 internal/chacha8rand internal/asan internal/coverage/rtcov'
mkdir "$WORK/src"
cd "$WORK/src"
printf 'module example.test/m\n\ngo 1.21\n' > go.mod
export CGO_ENABLED=0 GOPROXY=off
cat > "$WORK/build" << 'BUILD'
#!/bin/bash
# build RESULT: two go commands; between them the build waits for RESULT.go-on, if RESULT.waits exists.
set -euo pipefail
result=$1
list() { go list -export -f '{{.ImportPath}} {{.BuildID}}' "$@"; }
list $FIRST > "$result"
if [ -e "$result.waits" ]; then
    touch "$result.waiting"
    for ((tries = 0; tries < 1200; tries++)); do if [ -e "$result.go-on" ]; then break; fi; sleep 0.05; done
fi
list $SECOND >> "$result"
touch "$result.ended"
BUILD
chmod 755 "$WORK/build"
GOCACHEPROG='' GOCACHE=$WORK/plain "$WORK/build" "$WORK/expected"
rm -rf "$WORK/plain"

# build NAME: a whole build; it ends as without a cache.
build() {
    fake_build "$1" "$WORK/build" "$WORK/$1"
    expect "$1: the build ends as without a cache" cmp "$WORK/$1" "$WORK/expected"
}
# all_hit NAME: the latest build of this name compiled nothing.
all_hit() { expect "$1: it hits" counts "$1" packages_compiled -eq 0 && expect "$1: all of it" counts "$1" hits -ge 16; }
# hook NAME: what the hook prints for a build that is not made.
hook() {
    mkdir -p "$WORK/unoffered/$1.drv.chroot/root"
    "$WORK/hook" "/nix/store/00000000000000000000000000000000-$1.drv" "$WORK/unoffered/$1.drv.chroot/root"
}
# offered_nothing NAME: the hook ends well and offers nothing: Nix builds without a cache.
offered_nothing() {
    expect "$1: the hook ends well" test -z "$(hook "$1" 2> "$WORK/hook.log")"
    expect "$1: it says why there is no cache" grep -q 'no cache for this build' "$WORK/hook.log"
}
# refuses_to_start TEXT: the daemon does not start, and its log contains TEXT.
refuses_to_start() {
    : > "$WORK/daemon.log"
    refused start_daemon
    grep -qF -- "$1" "$WORK/daemon.log" || { cat "$WORK/daemon.log" >&2; return 1; }
    DAEMON_PID=
}
# zeros FILE: the same size, and other bytes.
zeros() { truncate -s 0 "$1" && truncate -s "$2" "$1"; }
# doctor_finds TEXT: root's doctor has it.
doctor_finds() {
    "$BIN/cacheprogctl" doctor --control-socket "$CONTROL" --state-dir "$STATE" > "$WORK/doctor" 2>&1 || true
    grep -A 1 'the state directory' "$WORK/doctor" | grep -qF -- "$1" || { cat "$WORK/doctor" >&2; return 1; }
}

echo "=== a restored backup"
start_daemon
build first
build second
all_hit second
stop_daemon
cp -r "$STATE" "$WORK/backup" # without times and owners: all is root's, and made now
rm -rf "$STATE"
cp -r "$WORK/backup" "$STATE"
expect "state of another owner: the daemon does not start, and says what to do" refuses_to_start "chown -R $DAEMON_UID $STATE"
offered_nothing no-daemon
chown "$DAEMON_UID:$DAEMON_UID" "$STATE"
expect "doctor finds what belongs to another" doctor_finds "belongs to uid 0"
expect "and has the fix" doctor_finds "chown -R USER $STATE"
chown -R "$DAEMON_UID:$DAEMON_UID" "$STATE"
# Bytes that the backup did not get right, under the right size.
damaged=$(find "$STATE/objects" -type f -size +8k | sort | head -n 1)
zeros "$damaged" "$(stat -c %s "$damaged")"
start_daemon
build restored
expect "what was damaged is compiled again, and no more" counts restored packages_compiled -le 1
expect "the rest hits" counts restored hits -ge 14
expect "every object and record of the store is intact" store_is_whole
stop_daemon
for part in objects records; do
    chown -R 0:0 "$STATE/$part"
    chmod 700 "$STATE/$part"
    start_daemon
    build "closed-$part"
    expect "doctor finds the closed $part" doctor_finds "$STATE/$part belongs to uid 0"
    stop_daemon
    chown -R "$DAEMON_UID:$DAEMON_UID" "$STATE/$part"
done
# Readable, and another's: the daemon may read them, and cannot note that it has verified them. They are put again.
find "$STATE/objects" -type f -exec chown 0:0 {} + -exec chmod 444 {} + -exec touch {} +
start_daemon
build others-objects
build own-objects
all_hit own-objects


echo "=== another boot"
build before-the-boot
stop_daemon KILL
lost=$(find "$STATE/objects" -type f -size +8k | sort | tail -n 1)
touch -r "$lost" "$WORK/time"
zeros "$lost" "$(stat -c %s "$lost")"
touch -r "$WORK/time" "$lost"
echo 11111111-2222-3333-4444-555555555555 > "$WORK/boot_id"
mount --bind "$WORK/boot_id" /proc/sys/kernel/random/boot_id
start_daemon
expect "builds of the earlier boot are over" grep -q 'is over: the machine was booted again' "$WORK/daemon.log"
expect "none is restored" refused grep -q '"name": "before-the-boot"' <(status_json)
build after-the-boot
expect "what was lost is compiled again, and no more" counts after-the-boot packages_compiled -eq 1
expect "every object and record of the store is intact" store_is_whole

echo "=== killed for memory"
# The kernel takes the daemon first; the other process in its group takes the memory.
killed() {
    local tries
    echo 1000 > "/proc/$DAEMON_PID/oom_score_adj"
    echo "$DAEMON_PID" > "$MEMORY_CGROUP/cgroup.procs"
    (echo "$BASHPID" > "$MEMORY_CGROUP/cgroup.procs" && head -c 64M /dev/zero | tail > /dev/null) 2> /dev/null || true
    for ((tries = 0; tries < 50; tries++)); do
        if ! kill -0 "$DAEMON_PID" 2> /dev/null; then break; fi
        sleep 0.1
    done
    status=0
    wait "$DAEMON_PID" 2> /dev/null || status=$?
    DAEMON_PID=
}
if memory_cgroup $((16 << 20)); then
    build_during out-of-memory killed
    is "the kernel killed the daemon" 137 "$status"
    expect "for its group's memory" test "$(killed_for_memory)" -ge 1
    remove_memory_cgroup
    start_daemon
else
    echo "    not tried: no memory cgroup can be made here"
fi
build after-memory
all_hit after-memory
# No stack for a new thread, no memory for a new session.
limit() { setpriv --reuid "$DAEMON_UID" --regid "$DAEMON_UID" --clear-groups prlimit --pid "$DAEMON_PID" "$1"; }
no_address_space() { limit "--as=$(($(awk '/^VmSize:/ { print $2 }' "/proc/$DAEMON_PID/status") * 1024 + 4096)):"; }
build_during no-address-space no_address_space
if kill -0 "$DAEMON_PID" 2> /dev/null; then
    echo "    the daemon went on"
    limit --as=unlimited:
else
    echo "    the daemon ended"
    stop_daemon
    start_daemon
fi
build after-address-space
all_hit after-address-space

echo "=== 64 descriptors"
# hold SOCKET: connects to it until the daemon takes no more, and holds the connections until killed.
hold() {
    python3 -c 'import os, socket, sys, time
os.chdir(os.path.dirname(sys.argv[1])) # the whole path may be too long for a socket
held = [socket.socket(socket.AF_UNIX) for n in range(100)]
for one in held: one.connect(os.path.basename(sys.argv[1]))
time.sleep(1000)' "$1" &
    holding=$!
}
few_descriptors() {
    local tries
    limit --nofile=64:64
    hold "$(echo "$STATE"/builds/*/view/sock | tr ' ' '\n' | tail -n 1)"
    for ((tries = 0; tries < 400; tries++)); do
        if grep -q "$WAITS" "$WORK/daemon.log"; then break; fi
        sleep 0.05
    done
}
WAITS='cannot accept a connection: .*Too many open files'
build_during descriptors few_descriptors
expect "the log says that connections wait" grep -q "$WAITS" "$WORK/daemon.log"
offered_nothing without-descriptors
kill "$holding"
wait "$holding" || true
build after-descriptors
all_hit after-descriptors
expect "the daemon went on" kill -0 "$DAEMON_PID"
offered=0
for n in {1..40}; do
    lines=$(hook "many-$n" 2> /dev/null | wc -l)
    if [ "$lines" -gt 0 ]; then offered=$((offered + 1)); else break; fi
done
expect "of 40 builds at once the hook offered the cache to $offered, and ended well each time" test "$offered" -ge 5
stop_daemon

echo "=== a read-only file system"
new_state
mount -t tmpfs -o size=200m none "$WORK/state"
chown "$DAEMON_UID:$DAEMON_UID" "$WORK/state"
start_daemon
build writable
# The kernel refuses it while a file is open for writing.
read_only() {
    local tries
    for ((tries = 0; tries < 1000; tries++)); do
        if mount -o remount,ro "$WORK/state" 2> /dev/null; then return 0; fi
        sleep 0.01
    done
    return 1
}
build_during read-only read_only
offered_nothing on-read-only
expect "the daemon went on" kill -0 "$DAEMON_PID"
expect "doctor finds it" doctor_finds 'mounted read-only'
stop_daemon
expect "a daemon does not start there, and says why" refuses_to_start 'Read-only file system'
mount -o remount,rw "$WORK/state"
start_daemon
build writable-again
all_hit writable-again
expect "every object and record of the store is intact" store_is_whole

echo "=== no inodes, with bytes left"
stop_daemon
taken=0
take_inodes() { while : > "$WORK/state/taken-$taken"; do taken=$((taken + 1)); done 2> /dev/null; }
# Until the daemon gives no inode back any more: sessions that end remove their temporary files a moment later.
keep_taking_inodes() {
    local steady
    for ((steady = 0; steady < 20; steady++)); do
        if [ "$(inodes_left)" -gt 0 ]; then steady=0; fi
        take_inodes
        sleep 0.05
    done
}
inodes_left() { df --output=iavail "$WORK/state" | tail -n 1 | tr -d ' '; }
umount "$WORK/state"
mount -t tmpfs -o size=200m,nr_inodes=2000 none "$WORK/state"
chown "$DAEMON_UID:$DAEMON_UID" "$WORK/state"
start_daemon
build_during no-inodes take_inodes
keep_taking_inodes
is "no inode is left" 0 "$(inodes_left)"
offered_nothing without-inodes
expect "status says what fails" grep -q 'No space left on device' <(status_json)
rm "$WORK"/state/taken-*
build with-inodes
build with-inodes-again
all_hit with-inodes-again
expect "every object and record of the store is intact" store_is_whole

if [ -n "${TEST_FULL:-}" ]; then
    echo "=== a daemon of another protocol"
    mkdir "$WORK/other"
    (cd "$ROOT_DIR" && git ls-files -z | xargs -0 cp --parents -t "$WORK/other")
    perl -pi -e 's/^(pub const VERSION: u32 = )(\d+)/$1 . ($2 + 1)/e' "$WORK/other/crates/proto/src/wire/hello.rs"
    (cd "$WORK/other" && CARGO_TARGET_DIR=$WORK/other/target cargo build --locked --quiet -p cacheprogd)
    install -m 755 "$WORK"/other/target/*/debug/cacheprogd "$WORK/other-cacheprogd"
    rm -rf "$WORK/other"
    # cacheprogctl, by which start_daemon waits, is of the protocol of this version.
    upgrade() {
        local tries
        stop_daemon
        : > "$WORK/daemon.log"
        setpriv --reuid "$DAEMON_UID" --regid "$DAEMON_UID" --clear-groups \
            "$WORK/other-cacheprogd" serve --control-socket "$CONTROL" --state-dir "$STATE" < /dev/null 2>> "$WORK/daemon.log" &
        DAEMON_PID=$!
        for ((tries = 0; tries < 200; tries++)); do
            if grep -q ': serving ' "$WORK/daemon.log"; then return 0; fi
            sleep 0.05
        done
        return 1
    }
    build_during upgraded upgrade
    expect "the build was restored by the other daemon" grep -q 'build upgraded .* restored' "$WORK/daemon.log"
    offered_nothing another-protocol
    expect "the other daemon went on" kill -0 "$DAEMON_PID"
    stop_daemon
    start_daemon
    build downgraded
    all_hit downgraded
fi
end_fake_builds
echo "summary: builds end right through a restored backup, another boot, memory, descriptors, inodes and a read-only file system"
