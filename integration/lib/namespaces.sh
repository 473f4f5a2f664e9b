# Whatever a case mounts and starts ends with it, however it ends: it runs in a mount namespace and a process namespace of its
# own. Source it first of all.
# shellcheck shell=bash

if [ -z "${CASE_IN_NAMESPACES:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "$0: needs root: namespaces, Nix sandboxes with users of their own, and a daemon under another user" >&2; exit 1; }
    CASE_IN_NAMESPACES=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
unset CASE_IN_NAMESPACES
# The first process of a namespace has no signal that ends it by default.
trap 'exit 130' INT
trap 'exit 143' TERM
