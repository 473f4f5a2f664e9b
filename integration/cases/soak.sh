# The soak (matrix/src/soak.rs): 16 clients while the daemon is killed and held; 40 seconds, or ten minutes with
# `integration/test --full`.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
build_matrix
with_gocache "$matrix" --bin "$BIN" --soak "$([ -n "${TEST_FULL:-}" ] && echo 600 || echo 40)"
