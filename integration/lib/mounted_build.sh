# For measurements without Nix: the directory of a build at /gocache, as in a sandbox. Source it after lib/daemon.sh.
# shellcheck shell=bash
set -euo pipefail

# in_own_mounts COMMAND...: runs the command in a mount namespace of its own with an empty /gocache. Other processes see only the
# empty directory.
in_own_mounts() {
    local status=0
    local has_nix=yes
    [ ! -e /gocache ] || { echo "mounted_build.sh: /gocache exists already; a run that was killed may have left it: rmdir /gocache" >&2; return 1; }
    [ -e /nix ] || { has_nix=no; mkdir /nix; }
    mkdir /gocache
    OWN_MOUNTS=1 unshare --mount --propagation private "$@" || status=$?
    rmdir /gocache
    [ "$has_nix" = yes ] || rmdir /nix
    return "$status"
}

# go_in_store: in such a namespace, puts a copy of the machine's Go below /nix/store, as in builds of Nix. Elsewhere its content is a part of keys, and
# assembly of the standard library is under a condition: each go command with a new GOCACHE reads 70 MB for that.
go_in_store() {
    local go=/nix/store/00000000000000000000000000000000-go goroot
    goroot=$(go env GOROOT)
    case $goroot in /nix/store/*) return ;; esac
    mount -t tmpfs none /nix
    mkdir -p "$go"
    cp -r "$goroot/." "$go"
    find "$go" -exec touch -h -d @1 {} + # as Nix does: indexes of Go's own packages are shared for these times
    chmod -R a-w "$go"
    PATH=$go/bin:$PATH
}

# mount_build NAME: registers a build of that name by the hook, and mounts its directory at /gocache until unmount_build.
mount_build() {
    local view
    mkdir -p "$WORK/$1.drv.chroot/root/etc"
    touch "$WORK/$1.drv.chroot/root/etc/hosts" # as Nix has it in a build without a network
    printf 'Derive([("out","/o","","")],[],[],"x","/bin/sh",[],[("NIX_GOCACHEPROG","1")])' > "$WORK/$1.drv"
    view=$("$WORK/hook" "$WORK/$1.drv" "$WORK/$1.drv.chroot/root" | sed -n 's|^/gocache=||p')
    [ -n "$view" ] || { echo "mounted_build.sh: the hook offers nothing" >&2; return 1; }
    mount --bind "$view" /gocache
    export NIX_GOCACHEPROG_SOCKET=/gocache/sock
}
unmount_build() {
    unset NIX_GOCACHEPROG_SOCKET
    umount /gocache
}
