# The steps of a run, some of them at once: where one waits (a build's directory that lives for a minute, a machine that
# boots), another one computes. Each has its own log in LOGS; what is printed of it comes when it is over, in one piece.
# Source it; it makes LOGS, TMPDIR for the steps, and removes what is not a log at the end.
# shellcheck shell=bash
set -uo pipefail

# One more than there are processors.
PLACES=${TEST_PLACES:-$(($(nproc) + 1))}
LOGS=$(mktemp -d "${TMPDIR:-/tmp}/gocacheprog-test.XXXXXX")
chmod 711 "$LOGS"
mkdir -m 711 "$LOGS/tmp"
export TMPDIR=$LOGS/tmp
passed=0 failed=()
declare -A step_name=() step_began=()

# step NAME COMMAND...: begins it as soon as a place is free.
step() {
    local name=$1
    shift
    while [ ${#step_name[@]} -ge "$PLACES" ]; do _reap; done
    ("$@"; status=$?; times > "$LOGS/$name.times"; exit $status) > "$LOGS/$name" 2>&1 < /dev/null &
    step_name[$!]=$name step_began[$!]=$SECONDS
}

# alone NAME COMMAND...: a step with no other one beside it.
alone() {
    all_over
    step "$@"
    all_over
}

# over NAME: returns when that step is over; its status says whether it passed.
over() {
    while [[ " ${step_name[*]} " == *" $1 "* ]]; do _reap; done
    [[ " ${failed[*]} " != *" $1 "* ]]
}
all_over() { while [ ${#step_name[@]} -gt 0 ]; do _reap; done; }

# Waits for the next step to be over and prints it.
_reap() {
    local pid status=0 name took running
    while true; do
        # Not `wait -n`: bash 5.2 does not find a process with it that is over already.
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

# Whatever still runs is ended with all that it started; only logs of what failed stay.
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
# _end PID: the process and all below it. (A case takes its own processes with it, whoever their parent is: lib/case.sh.)
_end() {
    local child
    kill -STOP "$1" 2> /dev/null # it starts no more
    for child in $(pgrep -P "$1"); do _end "$child"; done
    kill -KILL "$1" 2> /dev/null
}

# summed_up: the last lines of a run; its status is that of the run.
summed_up() {
    all_over
    times > "$LOGS/times"
    echo "$((SECONDS / 60)) min $((SECONDS % 60)) s, $(($(_cpu_seconds < "$LOGS/times") / 60)) min CPU on $(nproc) processors; load $(cut -d' ' -f1-3 /proc/loadavg)"
    [ ${#failed[@]} = 0 ] || echo "failed: ${failed[*]}; logs in $LOGS"
    echo "$passed passed, ${#failed[@]} failed"
    [ ${#failed[@]} = 0 ]
}
