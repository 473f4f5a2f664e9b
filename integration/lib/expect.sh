# Assertions of cases. Source it; a case ends at the first assertion that fails.
# shellcheck shell=bash

# Attributes for builds whose tests are not part of an assertion: their tests run with `--full` only, since tests compile the
# whole standard library once more (README.md has the list).
NO_TESTS=
# shellcheck disable=SC2034 # for the case
[ -n "${TEST_FULL:-}" ] || NO_TESTS='doCheck = false;'

fail() { echo "$*" >&2; exit 1; }

# expect DESCRIPTION COMMAND...: the command succeeds.
expect() {
    local what=$1
    shift
    if "$@"; then echo "ok: $what"; else fail "assertion failed: $what"; fi
}

# refused COMMAND...: the command fails.
refused() { if "$@" > /dev/null 2>&1; then return 1; fi; }

# is DESCRIPTION EXPECTED SEEN
is() { expect "$1: $3" test "$3" = "$2"; }

# counts NAME FIELD OPERATOR NUMBER: compares a counter of the latest build of that name with a number.
counts() {
    local value
    value=$(build_field "$1" "$2")
    echo "    $1: $2 = ${value:-nothing}"
    [ -n "$value" ] && test "$value" "$3" "$4"
}

# in_the_middle NAME: waits until the build of that name has put a hundred times.
in_the_middle() {
    local tries puts
    for ((tries = 0; tries < 1200; tries++)); do
        puts=$(build_field "$1" puts)
        if [ "${puts:-0}" -ge 100 ]; then echo "    $1: in the middle, $puts puts"; return 0; fi
        sleep 0.1
    done
    return 1
}
