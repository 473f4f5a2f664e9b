# Shows how far a long step is while it runs: on a terminal in a line that is written over each second, elsewhere in a line every 15 s.
# Source it; call progress_end in an EXIT trap too.
# shellcheck shell=bash
set -euo pipefail

PROGRESS_PID=

# progress TITLE [COUNTER ARG...]: a step begins. COUNTER prints what is done so far, such as "57 crates", or nothing.
progress() {
    progress_end
    echo "$1 ..."
    PROGRESS_BEGAN=$SECONDS
    _progress_lines "${@:2}" &
    PROGRESS_PID=$!
}

# progress_end: the step has ended. Prints how long it took; nothing to do when none runs.
progress_end() {
    [ -n "$PROGRESS_PID" ] || return 0
    kill "$PROGRESS_PID" 2> /dev/null || true
    wait "$PROGRESS_PID" 2> /dev/null || true
    PROGRESS_PID=
    [ ! -t 1 ] || printf '\r\033[K'
    echo "    $((SECONDS - PROGRESS_BEGAN)) s"
}

_progress_lines() {
    local pause=15 line
    [ ! -t 1 ] || pause=1
    # No pipe stays open after the step.
    while sleep "$pause" > /dev/null 2>&1; do
        line="    $((SECONDS - PROGRESS_BEGAN)) s"
        if [ $# -gt 0 ]; then line+=$("$@" 2> /dev/null | sed 's/^/: /') || true; fi
        if [ -t 1 ]; then printf '\r%s\033[K' "$line"; else echo "$line"; fi
    done
}
