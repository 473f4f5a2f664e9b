# Proves that a daemon with its state on btrfs, xfs, tmpfs or overlayfs, or where hard links are refused, serves builds, survives
# a kill, keeps its limits, and removes what it made. A file system that this kernel lacks is named and left out. By default btrfs and
# no links; the others with `integration/test --full`.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"
SERVE_ARGS=(--max-size none --min-free 64MiB) # the images are small
need_tools mkfs.btrfs=btrfs-progs mkfs.xfs=xfsprogs python3=python3-minimal

# mount_state KIND: an empty file system of this kind at WORK/state. An image's loop device goes with the mount.
mount_state() {
    new_state
    rm -f "$WORK/image"
    case $1 in
        btrfs | xfs)
            truncate -s 1G "$WORK/image"
            "mkfs.$1" -q "$WORK/image" > /dev/null && mount -t "$1" -o loop "$WORK/image" "$WORK/state" ;;
        tmpfs) mount -t tmpfs -o size=1g none "$WORK/state" ;;
        overlay)
            rm -rf "$WORK/layers"
            mkdir -p "$WORK/layers"/{lower,upper,work}
            # The store is in the layer below: the first link to each object copies it up.
            warm_state "$WORK/layers/lower/cache"
            mount -t overlay -o "lowerdir=$WORK/layers/lower,upperdir=$WORK/layers/upper,workdir=$WORK/layers/work" none "$WORK/state" ;;
    esac || return 1
    chown "$DAEMON_UID:$DAEMON_UID" "$WORK/state"
}

# warm_state DIR: the shared store with the standard library there.
warm_state() {
    shared state _make_state
    mkdir -p "$1"
    cp -a --reflink=auto "$SHARED/state/cache/." "$1"
    chown -R --no-dereference "$DAEMON_UID:$DAEMON_UID" "$1"
}

quietly() { "$@" > /dev/null; }
# The files of the live build, by what they are: links to objects, or copies.
exposed() { find "$STATE"/builds/*/view/o -type f "$@" | wc -l; }

# works_on KIND: two builds, a kill between them, gc, and the removal of the builds.
works_on() {
    local kind=$1 limit=$((64 << 20)) compiled state
    if [ "$kind" = overlay ]; then start_daemon; else warm_start; fi
    small "$kind-1" --arg extra "{ $NO_TESTS }" > /dev/null
    expect "$kind: a build hits" counts "small-$kind-1" hits -gt 500
    compiled=$(build_field "small-$kind-1" packages_compiled) # the daemon that is killed knows it alone
    stop_daemon KILL
    start_daemon
    small "$kind-2" --arg extra "{ $NO_TESTS }" > /dev/null
    expect "$kind: after a kill a build hits" counts "small-$kind-2" hits -gt 500
    expect "$kind: on outputs of the first build too" counts "small-$kind-2" packages_compiled -lt "$compiled"
    echo "    $kind: builds saw $(exposed -links +1) links to objects, and $(exposed -links 1) copies or outputs of their own"
    if [ "$kind" = no-links ]; then
        expect "$kind: builds have copies" test "$(exposed -links +1)" = 0
        expect "$kind: the log has no failure" refused grep -q 'linking' "$WORK/daemon.log"
    else
        expect "$kind: builds have links" test "$(exposed -links +1)" -gt 200
    fi
    expect "$kind: every object and record of the store is intact" store_is_whole
    expect "$kind: verify finds no damage" quietly "$BIN/cacheprogctl" verify --state-dir "$STATE"
    stop_daemon KILL
    # A minute old, so that they may go.
    for state in "$STATE"/builds/*/build.json; do sed -i 's/"started":[0-9]*/"started":1000000000/' "$state"; done
    start_daemon
    for ((tries = 0; tries < 100; tries++)); do
        if [ -z "$(find "$STATE/builds" "$STATE/tmp" -mindepth 1 -maxdepth 1)" ]; then break; fi
        sleep 0.1
    done
    expect "$kind: the builds' directories are removed" test -z "$(ls -A "$STATE/builds")"
    expect "$kind: nothing is left unfinished" test -z "$(ls -A "$STATE/tmp")"
    "$BIN/cacheprogctl" gc --max-size 64MiB --min-free 64MiB --state-dir "$STATE" > "$WORK/gc" || { cat "$WORK/gc" >&2; return 1; }
    expect "$kind: gc brings the store within its limit" test "$(du -s --block-size=1 "$STATE/objects" "$STATE/records" | awk '{ sum += $1 } END { print sum }')" -le "$limit"
    stop_daemon
    expect "$kind: the shutdown is clean" test -e "$STATE/clean"
}

kinds=(btrfs)
[ -z "${TEST_FULL:-}" ] || kinds+=(overlay xfs tmpfs)
tried=()
for kind in "${kinds[@]}"; do
    if ! mount_state "$kind" 2> "$WORK/mount.log"; then
        echo "    $kind: not on this machine: $(tail -n 1 "$WORK/mount.log")"
        continue
    fi
    works_on "$kind"
    umount "$WORK/state"
    tried+=("$kind")
done

new_state
cp "$CASE_DIR/programs/no_links.py" "$WORK/no_links.py"
mv "$BIN/cacheprogd" "$BIN/real-cacheprogd"
printf '#!/bin/sh\nexec python3 %s %s "$@"\n' "$WORK/no_links.py" "$BIN/real-cacheprogd" > "$BIN/cacheprogd"
chmod 755 "$BIN/cacheprogd"
works_on no-links
tried+=("one without hard links")
echo "summary: the state on: $(printf '%s, ' "${tried[@]}" | sed 's/, $//')"
