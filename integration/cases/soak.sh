# Proves that nothing is wrong or left over after 16 clients for 40 seconds (matrix/src/soak.rs), while the daemon is killed and
# paused; ten minutes with `integration/test --full`, or SOAK_SECONDS.
# shellcheck shell=bash source-path=SCRIPTDIR
# shellcheck disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/own_root.sh"
build_matrix
TMPDIR=$WORK own_root "$WORK/root" "" "$matrix" --bin "$BIN" --soak "${SOAK_SECONDS:-$([ -n "${TEST_FULL:-}" ] && echo 600 || echo 40)}"
