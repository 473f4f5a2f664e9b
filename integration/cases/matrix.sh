# The fault matrix (matrix/): a few cells by default; all of them, for Go 1.21 to 1.27, with
# `integration/test --full`.
# MATRIX_ROWS chooses rows by name, MATRIX_GO versions.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/go.sh"

(cd "$ROOT_DIR" && cargo build --release --locked --quiet -p matrix)
matrix=$(release_dir "$ROOT_DIR")/matrix

if [ -n "${TEST_FULL:-}" ]; then versions="1.21.13 1.22.12 1.23.12 1.24.11 1.25.5 local 1.27.0"; else versions=local; fi
go=()
for version in ${MATRIX_GO:-$versions}; do go+=(--go "$version=$(go_with_cacheprog "$version")"); done

# /gocache, as in a sandbox, for the matrix alone. The empty directory is all that the rest of the machine sees.
[ ! -e /gocache ] || fail "/gocache exists already"
mkdir /gocache
trap 'rmdir /gocache; _case_end' EXIT
# shellcheck disable=SC2086 # rows are words
TMPDIR=$WORK unshare --mount --propagation private "$matrix" --bin "$BIN" --program "$CASE_DIR/programs/web" \
    ${TEST_FULL:+--full} "${go[@]}" ${MATRIX_ROWS:-}
