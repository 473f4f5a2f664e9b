# A memory cgroup of a case, of version 1 or 2, whichever the machine has. Source it.
# shellcheck shell=bash
set -euo pipefail

# memory_cgroup BYTES: makes one with this limit; sets MEMORY_CGROUP, its directory. Status 1 where none can be made here.
memory_cgroup() {
    local top limit
    if [ -w /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
        top=/sys/fs/cgroup/memory limit=memory.limit_in_bytes
    elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2> /dev/null; then
        top=/sys/fs/cgroup limit=memory.max
    else
        return 1
    fi
    MEMORY_CGROUP=$top/gocacheprog-case.$RANDOM$RANDOM
    mkdir "$MEMORY_CGROUP" 2> /dev/null && echo "$1" > "$MEMORY_CGROUP/$limit"
}

# killed_for_memory: how many processes the kernel killed in it.
killed_for_memory() { cat "$MEMORY_CGROUP"/memory.{oom_control,events} 2> /dev/null | awk '$1 == "oom_kill" { print $2 }'; }

# remove_memory_cgroup: nothing to do where there is none.
remove_memory_cgroup() {
    local tries
    for ((tries = 0; tries < 50; tries++)); do
        if [ ! -d "${MEMORY_CGROUP:-}" ] || rmdir "$MEMORY_CGROUP" 2> /dev/null; then return 0; fi
        sleep 0.1
    done
}
