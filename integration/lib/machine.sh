# A machine with systemd and Debian's Nix in a container: a root made once by debootstrap and kept in the user's cache folder,
# copied for the run, booted by systemd-nspawn. Source it after lib/tools.sh; reads WORK, sets MACHINE (its root).
# The case has to call machine_stop at its end.
# shellcheck shell=bash
set -euo pipefail

MACHINE=
MACHINE_PID=
MACHINE_RELEASE=trixie
# What the nixpkgs stub is made of, and a Nix that is set up as packages do it.
MACHINE_PACKAGES=(nix-bin nix-setup-systemd gawk gcc libc6-dev procps python3-minimal)

# machine_tools: debootstrap and systemd-nspawn, installed where they are missing.
machine_tools() { need_tools debootstrap=debootstrap systemd-nspawn=systemd-container; }

# machine_copy DIR: a copy of the machine's root there, which is MACHINE from then on. The root is made where there is none of
# this release and these packages, made as here, and where the kept one is older than 30 days. The two newest are kept.
machine_copy() {
    local kept=${XDG_CACHE_HOME:-$HOME/.cache}/nix-gocacheprog-test root
    root=$kept/machine-$({ echo "$MACHINE_RELEASE ${MACHINE_PACKAGES[*]}" && declare -f _machine_make; } | sha256sum | cut -c1-16)
    mkdir -p "$kept"
    (
        exec 9> "$kept/lock" # one run at a time
        flock 9
        if [ ! -e "$root" ] || [ -n "$(find "$root" -maxdepth 0 -mtime +30)" ]; then
            rm -rf "$kept/making" "$root"
            _machine_make "$kept/making" > "$WORK/machine-made.log" 2>&1 9<&- || { tail -n 20 "$WORK/machine-made.log" >&2; exit 1; }
            touch "$kept/making"
            mv "$kept/making" "$root"
        fi
        cp -a --reflink=auto "$root" "$1"
        find "$kept" -maxdepth 1 -name 'machine-*' -printf '%T@ %p\n' | sort -rn | tail -n +3 | cut -d' ' -f2- | xargs -r -d '\n' rm -rf
    ) || return 1
    MACHINE=$1
}
# _machine_make DIR
_machine_make() {
    local mirror
    # From where this machine has its packages.
    # shellcheck disable=SC2016 # apt's own
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
    mkdir -p "$1"
    # By apt, as debootstrap knows no virtual packages, which those of Nix need.
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus "$MACHINE_RELEASE" "$1" ${mirror:+"$mirror"} &&
        DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get install -y --no-install-recommends "${MACHINE_PACKAGES[@]}" &&
        chroot "$1" apt-get clean
}

# machine_boot NSPAWN-OPTION...: boots a copy of the root; returns when its systemd has started everything.
machine_boot() {
    local tries state
    # Where this machine's control groups are v1, the container's have to be.
    [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=0
    # The filter of a container refuses what the hook asks the kernel for, as no machine does.
    systemd-nspawn --quiet --register=no --keep-unit --boot --system-call-filter=pidfd_getfd -D "$MACHINE" "$@" \
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
    on_machine runuser -u "$user" -- env "HOME=$([ "$user" = root ] || echo /home)/$user" "$@"
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
