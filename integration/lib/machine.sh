# A machine with systemd and Debian's Nix in a container: a root made once by debootstrap (kept with the cargo target
# directory), copied for the run, booted by systemd-nspawn. Source it; reads WORK and ROOT_DIR, sets MACHINE (its root).
# Whatever happens, machine_stop ends it.
# shellcheck shell=bash
set -euo pipefail

MACHINE=
MACHINE_PID=
MACHINE_RELEASE=trixie
# What the stand-in for nixpkgs is made of, and a Nix that is set up as packages do it.
MACHINE_PACKAGES=(nix-bin nix-setup-systemd gawk gcc libc6-dev procps python3-minimal)

# machine_tools: debootstrap and systemd-nspawn, installed where they are missing.
machine_tools() {
    local missing=()
    command -v debootstrap > /dev/null || missing+=(debootstrap)
    command -v systemd-nspawn > /dev/null || missing+=(systemd-container)
    [ ${#missing[@]} = 0 ] && return 0
    command -v apt-get > /dev/null || { echo "machine.sh: needs debootstrap and systemd-nspawn" >&2; return 1; }
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > /dev/null
}

# machine_root: prints the directory of the root that copies are made of; made where it is missing.
machine_root() {
    local target root mirror
    target=$(cd "$ROOT_DIR" && cargo metadata --format-version=1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    root=$target/machine/$MACHINE_RELEASE
    if [ ! -e "$root.done" ]; then
        # From where this machine has its packages.
        # shellcheck disable=SC2016 # apt's own
        mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
        rm -rf "$root"
        mkdir -p "$root"
        # By apt, as debootstrap knows no virtual packages, which those of Nix need.
        { debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus "$MACHINE_RELEASE" "$root" ${mirror:+"$mirror"} &&
            DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y --no-install-recommends "${MACHINE_PACKAGES[@]}"; } \
            > "$target/machine/log" 2>&1 || { tail -n 20 "$target/machine/log" >&2; return 1; }
        touch "$root.done"
    fi
    echo "$root"
}

# machine_boot NSPAWN-OPTION...: boots a copy of the root; returns when its systemd has started everything.
machine_boot() {
    local tries state
    # Where this machine's control groups are v1, the container's have to be.
    [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
    systemd-nspawn --quiet --register=no --keep-unit --boot -D "$MACHINE" "$@" \
        < /dev/null > "$WORK/machine.log" 2>&1 &
    MACHINE_PID=$!
    for ((tries = 0; tries < 240; tries++)); do
        kill -0 "$MACHINE_PID" 2> /dev/null || break
        state=$(on_machine systemctl is-system-running 2> /dev/null || true)
        case $state in running | degraded) return 0 ;; esac
        sleep 0.5
    done
    echo "machine.sh: the machine did not boot (${state:-no systemd}):" >&2
    tail -n 30 "$WORK/machine.log" >&2
    return 1
}

# on_machine COMMAND...: as root there. The machine's first process is the only child of systemd-nspawn.
on_machine() {
    local leader
    leader=$(pgrep -P "$MACHINE_PID" | head -n 1)
    [ -n "$leader" ] || return 1
    nsenter --target "$leader" --mount --uts --ipc --net --pid -- env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin "$@"
}

# as USER COMMAND...: as that user there.
as() {
    local user=$1
    shift
    on_machine runuser -u "$user" -- env "HOME=/home/$user" "$@"
}

# machine_stop: ends the machine and all in it. Nothing to do where none runs.
machine_stop() {
    [ -n "$MACHINE_PID" ] || return 0
    local leader
    leader=$(pgrep -P "$MACHINE_PID" | head -n 1)
    # Its init is the machine: with it the kernel ends every process in there.
    [ -z "$leader" ] || kill -KILL "$leader" 2> /dev/null || true
    wait "$MACHINE_PID" 2> /dev/null || true
    MACHINE_PID=
}
