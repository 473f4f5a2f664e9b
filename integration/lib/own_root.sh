# Runs a command with a root directory of its own: the machine's directories and /gocache, which other processes do not see.
# Source it; needs root.
# shellcheck shell=bash
set -euo pipefail

# own_goroot: has the machine's Go below /nix/store in each own_root from now on, and uses it.
own_goroot() {
    GO_ON_MACHINE=$(go env GOROOT) OWN_GOROOT=/nix/store/00000000000000000000000000000000-go
    export GO_ON_MACHINE OWN_GOROOT PATH=$OWN_GOROOT/bin:$PATH
}

# own_root DIR VIEW COMMAND...: runs the command in the present directory, in a mount namespace of its own whose root is made in
# DIR (made if missing). VIEW, a build's directory, is mounted at /gocache; with an empty VIEW /gocache is empty. After own_goroot
# nothing but Go is in its /nix.
own_root() {
    local dir=$1 view=$2
    shift 2
    mkdir -p "$dir"
    # shellcheck disable=SC2016 # for the shell inside
    unshare --mount --propagation private bash -euc '
        dir=$1 view=$2 root=$1/root
        mount -t tmpfs none "$dir"
        mkdir "$root" "$root/gocache"
        for path in /*; do
            if [ "$path" = /gocache ] || [ "$path" = /gocache-client ]; then continue; fi
            if [ -n "${OWN_GOROOT:-}" ] && [ "$path" = /nix ]; then continue; fi
            if [ -L "$path" ]; then
                cp -P "$path" "$root$path"
            elif [ -d "$path" ]; then
                mkdir "$root$path"
                mount --rbind "$path" "$root$path"
            fi
        done
        if [ -n "${OWN_GOROOT:-}" ]; then
            mkdir -p "$root$OWN_GOROOT"
            mount --bind "$GO_ON_MACHINE" "$root$OWN_GOROOT"
            mount -o remount,bind,ro "$root$OWN_GOROOT"
        fi
        [ -z "$view" ] || mount --bind "$view" "$root/gocache"
        exec chroot "$root" sh -c "cd \"\$1\" && shift && exec \"\$@\"" sh "$PWD" "${@:3}"' \
        own_root "$dir" "$view" "$@"
}
