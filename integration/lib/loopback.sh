# Addresses of this machine that no other run has, for servers with ports of their own. Source it.
# shellcheck shell=bash disable=SC2034
set -euo pipefail

# loopback_net: sets LOOPBACK, the first three numbers of a block of loopback addresses.
loopback_net() { LOOPBACK=127.$((64 + RANDOM % 128)).$((RANDOM % 256)); }

# listens_at ADDRESS:PORT...: waits until a server listens at each, at most a minute for all.
listens_at() {
    local at until=$((SECONDS + 60))
    for at in "$@"; do
        until (exec 9<> "/dev/tcp/${at%:*}/${at#*:}") 2> /dev/null; do
            [ "$SECONDS" -lt "$until" ] || { echo "nothing listens at $at" >&2; return 1; }
            sleep 0.05
        done
    done
}
