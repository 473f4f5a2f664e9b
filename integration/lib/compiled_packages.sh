# Finds the names of the packages that a build compiled, from the outputs that it put, and compares them with the packages that
# depend on the edited one. Source it after lib/program.sh and lib/daemon.sh.
# shellcheck shell=bash
set -euo pipefail

# compare_compiled PROGRAM-DIR OUTPUT BUILD-ID: for a build with nix/caddy.nix's `report`, prints how many forms of packages
# were compiled and how many depend on the edited package, and fails if one was compiled that does not depend on it, or
# cannot be named. A form is a package as compiled with -trimpath, without, for its own test, or the main of a test.
compare_compiled() {
    local edited=$PROGRAM_MODULE/$PROGRAM_EDITED work wrong
    work=$(mktemp -d)
    # file of the form | 1 if it depends on the edited package or is it | name
    awk -F'|' -v edited="$edited" '{
        file = $2; sub(/.*\//, "", file)
        base = $1; sub(/ \[.*/, "", base); sub(/_test$/, "", base)
        print file "|" (base == edited || index(" " $3 " ", " " edited " ") ? 1 : 0) "|" $1
    }' "$2"/listed-* | sort -u > "$work/listed"
    archives_put "$3" | sort -u | while read -r output; do _name_form "$work/listed" "$output"; done | sort -u > "$work/compiled"
    reverse_deps "$1" | sort -u > "$work/reverse"
    sed -n 's/^1|//p' "$work/compiled" | sed 's/ \[.*//; s/_test$//; s/\.test$//' | sort -u > "$work/names"
    echo "  $(wc -l < "$work/compiled") forms of packages, of $(grep -c '|1|' "$work/listed") that depend on it (go stops where a result comes out the same)"
    echo "  of the $(wc -l < "$work/reverse") packages in the program that depend on it: $(comm -12 "$work/reverse" "$work/names" | wc -l)"
    wrong=$(grep -v '^1|' "$work/compiled" || true)
    rm -rf "$work"
    if [ -n "$wrong" ]; then
        echo "compiled without need (0: does not depend on the edited package, ?: unknown package):" >&2
        echo "$wrong" >&2
        return 1
    fi
    echo "  and nothing else"
}

# _name_form LISTED OUTPUT: prints "1|name" for a form that depends on the edited package, "0|name" for another.
_name_form() {
    local line tested
    line=$(grep -m 1 "^$2|" "$1" || true)
    if [ -n "$line" ]; then
        echo "${line#*|}"
        return
    fi
    # `go list` makes its own test mains. The one of `go test` has the path of the package it tests as its last string.
    tested=$(grep -aoE '"[^"]*"_testmain\.go' "$STATE/objects/${2:0:1}/$2" | head -n 1 | cut -d'"' -f2)
    line=$(grep -m 1 "|$tested\.test\$" "$1" || true)
    if [ -n "$tested" ] && [ -n "$line" ]; then echo "${line#*|}"; else echo "?|$2"; fi
}
