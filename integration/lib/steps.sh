# Runs the steps of a test run, several at once: while one waits (for a build's directory that lives a minute, for a machine
# that boots), another computes. Each step has its own log in LOGS; its output is printed in one piece when it ends.
# Source it; it makes LOGS and the TMPDIR of the steps, and at the end removes everything but the logs of failed steps.
# shellcheck shell=bash
set -uo pipefail

# Steps at once: one more than there are processors.
MAX_STEPS=${TEST_JOBS:-$(($(nproc) + 1))}
LOGS=$(mktemp -d "${TMPDIR:-/tmp}/gocacheprog-test.XXXXXX")
chmod 711 "$LOGS"
mkdir -m 711 "$LOGS/tmp"
export TMPDIR=$LOGS/tmp
passed=0 failed=()
declare -A step_name=() step_began=()

# step NAME COMMAND...: starts the command as soon as fewer than MAX_STEPS steps run.
step() {
    local name=$1
    shift
    while [ ${#step_name[@]} -ge "$MAX_STEPS" ]; do _reap; done
    ("$@"; status=$?; times > "$LOGS/$name.times"; exit $status) > "$LOGS/$name" 2>&1 < /dev/null &
    step_name[$!]=$name step_began[$!]=$SECONDS
}

# exclusive_step NAME COMMAND...: a step while no other one runs.
exclusive_step() {
    wait_for_all
    step "$@"
    wait_for_all
}

# wait_for NAME: waits until that step has ended; the status says whether it passed.
wait_for() {
    while [[ " ${step_name[*]} " == *" $1 "* ]]; do _reap; done
    [[ " ${failed[*]} " != *" $1 "* ]]
}
wait_for_all() { while [ ${#step_name[@]} -gt 0 ]; do _reap; done; }

# Waits until a step ends and prints its result.
_reap() {
    local pid status=0 name took running
    while true; do
        # Not `wait -n`: bash 5.2 does not find a process with it that has ended already.
        running=" $(jobs -rp | tr '\n' ' ') "
        for pid in "${!step_name[@]}"; do [[ $running == *" $pid "* ]] || break 2; done
        sleep 0.3
    done
    wait "$pid" || status=$?
    name=${step_name[$pid]} took=$((SECONDS - step_began[$pid]))
    unset "step_name[$pid]" "step_began[$pid]"
    echo "=== $name"
    if [ "$status" = 0 ]; then
        passed=$((passed + 1))
        grep '^summary: ' "$LOGS/$name"
        [ "$name" != demo ] || tail -n 25 "$LOGS/$name"
        echo "    passed in $took s ($(_cpu_seconds < "$LOGS/$name.times") s CPU)"
    else
        failed+=("$name")
        tail -n 60 "$LOGS/$name"
        echo "    FAILED in $took s"
    fi
}

# What a shell's `times` says of its children, in seconds.
_cpu_seconds() { awk 'NR == 2 { split($1 " " $2, t, /[ms ]+/); printf "%.0f", t[1] * 60 + t[2] + t[3] * 60 + t[4] }'; }

# Ends all running steps with their processes; keeps only the logs of failed steps.
_steps_end() {
    local status=$? pid
    for pid in "${!step_name[@]}"; do _end "$pid"; done
    wait 2> /dev/null
    if [ ${#failed[@]} = 0 ] && [ ${#step_name[@]} = 0 ]; then rm -rf "$LOGS"; else rm -rf "${LOGS:?}"/{tmp,shared,bin}; fi
    exit "$status"
}
trap _steps_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# _end PID: the process and all below it. (A case takes its own processes with it, also those with another parent: lib/namespaces.sh.)
_end() {
    local child
    kill -STOP "$1" 2> /dev/null # it starts no more processes
    for child in $(pgrep -P "$1"); do _end "$child"; done
    kill -KILL "$1" 2> /dev/null
}

# print_summary: prints the last lines of a run; returns the status of the run.
print_summary() {
    wait_for_all
    times > "$LOGS/times"
    echo "$((SECONDS / 60)) min $((SECONDS % 60)) s, $(($(_cpu_seconds < "$LOGS/times") / 60)) min CPU on $(nproc) processors; load $(cut -d' ' -f1-3 /proc/loadavg)"
    [ ${#failed[@]} = 0 ] || echo "failed: ${failed[*]}; logs in $LOGS"
    echo "$passed passed, ${#failed[@]} failed"
    [ ${#failed[@]} = 0 ]
}
