# Proves that conditions have all that Go's keys leave out, and that they cost no hits: in builds of real modules, each file that a
# compiler, an assembler, a linker or cgo opens is in Go's key or in the condition; a condition with one member less is found out,
# for members of each kind; builds after edits compile the expected packages and no others. `integration/test --full` takes all
# modules of lib/real_modules.sh, and builds them with the module cache and without -trimpath too.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2153
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/oracle.sh"

oracle_prepare
modules="own circl linked made script syso" edited="own circl"
[ -z "${TEST_FULL:-}" ] || modules=$(real_modules) edited=$modules
for module in $modules; do oracle_module "$module"; done

# found_out KIND MODULE PATTERN: without these members the oracle fails.
found_out() {
    without_member "$2" "$3" > "$WORK/uncovered"
    expect "without $1 ($2) the oracle fails" test -s "$WORK/uncovered"
}
echo "=== a member less"
found_out "a header" own '/headers/answer.h$'
found_out "a file with another ending" own '/clib/table.def$'
found_out "a static library" own '/libs/libanswer.a$'
found_out "a header of another package's assembly" circl '/math/fp448/fp_amd64.h$'
found_out "what lies beside a .syso file" syso '/blob/blob.inc$'
found_out "a header in a linked directory" linked '/include/dependency.h$'
found_out "a header that the build makes" made '/include/seccomp.h$'
found_out "a .pc file" made '/pkgconfig/libseccomp.pc$'
found_out "a compiler that is a script" script '/tools/cc$'
found_out "what such a script reads" script '/tools/flags$'

echo "=== packages compiled after edits"
rm -rf "$MODULES"
start_daemon
for module in $edited; do oracle_counts "$module"; done
stop_daemon TERM

if [ -n "${TEST_FULL:-}" ]; then
    echo "=== in the module cache, without -trimpath"
    rm -rf "$MODULES"
    ORACLE_ENVIRONMENT+=(GOFLAGS=)
    ORACLE_MODULE_CACHE=1
    for module in $modules; do oracle_module "$module"; done
fi
echo "summary: real modules: each file that their tools open is in Go's key or in the condition"
