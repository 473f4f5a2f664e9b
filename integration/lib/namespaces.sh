# Runs a case in a mount namespace and a process namespace of its own: when the case ends, in whatever way, its mounts and
# processes end too. Source it first.
# shellcheck shell=bash

if [ -z "${CASE_IN_NAMESPACES:-}" ]; then
    [ "$(id -u)" = 0 ] || { echo "$0: needs root: namespaces, Nix sandboxes with users of their own, and a daemon under another user" >&2; exit 1; }
    CASE_IN_NAMESPACES=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc bash "$0" "$@"
fi
unset CASE_IN_NAMESPACES
# By default no signal ends the first process of a namespace.
trap 'exit 130' INT
trap 'exit 143' TERM
