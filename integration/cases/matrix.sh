# The fault matrix (matrix/): a few cells by default; all of them, for Go 1.21 to 1.27, with
# `integration/test --full`.
# MATRIX_ROWS chooses rows by name, MATRIX_GO versions.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/go.sh"

build_matrix

go=()
for version in ${MATRIX_GO:-$(go_versions)}; do go+=(--go "$version=$(go_with_cacheprog "$version")"); done

# shellcheck disable=SC2086 # rows are words
with_gocache "$matrix" --bin "$BIN" ${TEST_FULL:+--full} "${go[@]}" ${MATRIX_ROWS:-}
