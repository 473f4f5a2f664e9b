# Proves that 300 short builds, one after another against one daemon, leave its memory, descriptors, threads, processes and inodes
# as they were: two rounds of 150; with `integration/test --full` 5,000 builds, in four rounds.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/own_root.sh"
ROUNDS=2 BUILDS=150
[ -z "${TEST_FULL:-}" ] || ROUNDS=4 BUILDS=1250
# As the unit has it (nixos/units.nix).
environment=$(sed -n 's/.* Environment = "\(.*\)";$/\1/p' "$ROOT_DIR/nixos/units.nix")
is "the unit bounds glibc's heaps" MALLOC_ARENA_MAX=2 "$environment"
export "${environment?}"
start_daemon

# A round of builds, in a root of its own. Each is registered by the hook, as by Nix, and /gocache leads to its directory. Two
# clients: one puts, the next one gets that from the daemon; every twentieth build runs a go command too, which shares outputs.
cat > "$WORK/round" << 'ROUND'
#!/bin/bash
# round NUMBER BUILDS WORK BIN HOOK
set -euo pipefail
round=$1 builds=$2 work=$3 bin=$4 hook=$5
rmdir /gocache
base64_of() { sha256sum | head -c 64 | sed 's/../\\x&/g' | xargs -0 printf | base64 -w 0; }
output=$(printf 'the output' | base64_of)
client() { env -i GOCACHE="$work/gocache" GOROOT=/nowhere/go NIX_GOCACHEPROG_SOCKET=/gocache/sock "$bin/cacheprog-client"; }
for ((n = 0; n < builds; n++)); do
    chroot=$work/chroots/$round-$n.drv.chroot
    mkdir -p "$chroot/root/etc" "$work/gocache/00" # as a go command makes it
    touch "$chroot/root/etc/hosts" # as Nix has it in a build without a network
    view=$("$hook" "/nix/store/00000000000000000000000000000000-short-$round-$n.drv" "$chroot/root" | sed -n 's|^/gocache=||p')
    [ -S "$view/sock" ] || { echo "build $n of round $round was not registered" >&2; exit 1; }
    ln -sfn "$view" /gocache
    action=$(printf 'action %s' "$n" | base64_of)
    printf '{"ID":1,"Command":"put","ActionID":"%s","OutputID":"%s","BodySize":10}\n\n"%s"\n{"ID":2,"Command":"close"}\n\n' \
        "$action" "$output" "$(printf 'the output' | base64)" > "$work/requests"
    client < "$work/requests" > "$work/put"
    printf '{"ID":1,"Command":"get","ActionID":"%s"}\n\n{"ID":2,"Command":"close"}\n\n' "$action" > "$work/requests"
    client < "$work/requests" > "$work/get"
    path=$(sed -n 's/.*"DiskPath":"\([^"]*\)".*/\1/p' "$work/get")
    [ "$(cat "$path")" = 'the output' ] || { cat "$work/put" "$work/get" >&2; exit 1; }
    if [ $((n % 20)) = 0 ]; then
        GOCACHE=$work/gocache GOCACHEPROG=$bin/cacheprog-client NIX_GOCACHEPROG_SOCKET=/gocache/sock CGO_ENABLED=0 \
            GOFLAGS='' GOTOOLCHAIN=local GOTELEMETRY=off GOENV=off go build internal/goos
    fi
    rm -rf "$chroot" "$work/gocache"
done
ROUND
chmod 755 "$WORK/round"

# What the daemon has, and what is on the disk: memory in KiB, descriptors, threads, processes of its user, inodes (without the
# three files that it makes some minutes after its first start).
sample() {
    echo "$(awk '/^VmRSS:/ { print $2 }' "/proc/$DAEMON_PID/status") $(find "/proc/$DAEMON_PID/fd" -type l | wc -l)" \
        "$(find "/proc/$DAEMON_PID/task" -mindepth 1 -maxdepth 1 | wc -l) $(pgrep -c -u "$DAEMON_UID") $(find "$STATE" -not -name counts -not -name synced -not -name usage.json | wc -l)"
}

samples=()
for ((round = 1; round <= ROUNDS; round++)); do
    own_root "$WORK/root" "" "$WORK/round" "$round" "$BUILDS" "$WORK" "$BIN" "$WORK/hook"
    expect "round $round: the directories of ended builds are removed" no_builds_left
    # Profiles are made, directories removed and the store maintained in threads that may begin at any time, and sockets are closed at the
    # loop's next turn: what counts is a sample without such a thread that stays the same for three turns.
    same=0 rest=''
    for ((tries = 0; tries < 60 && same < 3; tries++)); do
        before=$rest
        now=$(sample)
        read -r _ rest <<< "$now"
        same=$((same + 1))
        if [ "$rest" != "$before" ] || [ -n "$(ls -A "$STATE/tmp")" ] || [ "$(cut -d' ' -f3 <<< "$now")" != 1 ]; then same=0; fi
        sleep 1
    done
    samples+=("$now")
    echo "    after $((round * BUILDS)) builds: memory (KiB), descriptors, threads, processes, inodes: ${samples[-1]}"
done
read -r memory rest <<< "${samples[0]}"
read -r last_memory last_rest <<< "${samples[-1]}"
is "descriptors, threads, processes and inodes are those after the first round" "$rest" "$last_rest"
expect "its memory is within a MiB of that after the first round" test "$last_memory" -le $((memory + 1024))
expect "every object and record of the store is intact" store_is_whole
expect "builds hit on outputs of others" counts "short-$ROUNDS-$(((BUILDS - 1) / 20 * 20))" hits -gt 1
echo "summary: $((ROUNDS * BUILDS)) builds: memory $memory KiB, then $last_memory KiB; descriptors, threads, processes, inodes: $last_rest"
