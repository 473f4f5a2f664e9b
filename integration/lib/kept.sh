# What takes long to make and is the same for all runs, such as an engine's programs: kept in the user's cache folder, by version. Source it
# after lib/case.sh; reads WORK.
# shellcheck shell=bash
set -euo pipefail

# kept NAME-VERSION MAKER [ARG...]: sets KEPT, a directory which `MAKER DIR ARG...` fills where it was not made before; other runs wait
# meanwhile. Other versions of NAME that were made more than 30 days ago are removed. MAKER runs without `set -e`, since its status is tested.
kept() {
    local dir=${XDG_CACHE_HOME:-$HOME/.cache}/nix-gocacheprog-test name=$1 maker=$2
    shift 2
    KEPT=$dir/$name
    mkdir -p "$dir"
    (
        exec 9> "$dir/${name%%-*}.lock"
        flock 9
        [ ! -e "$KEPT.done" ] || exit 0
        echo "    making $name"
        rm -rf "$KEPT"
        mkdir "$KEPT"
        "$maker" "$KEPT" "$@" > "$WORK/$name.log" 2>&1 < /dev/null 9<&- || { tail -n 30 "$WORK/$name.log" >&2; exit 1; }
        touch "$KEPT.done"
        echo "    made in $SECONDS s since the case began"
        find "$dir" -maxdepth 1 -name "${name%%-*}-*" -not -name "$name*" -mtime +30 -exec rm -rf {} +
    ) || return 1
}
