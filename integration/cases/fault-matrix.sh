# Proves that go commands give the same result while the cache fails (matrix/): a few cells by default; all of them, for Go 1.21
# to 1.27, with `integration/test --full`. MATRIX_ROWS selects rows by name, MATRIX_GO versions of Go.
# Exclusive: it compares how long commands take.
# shellcheck shell=bash source-path=SCRIPTDIR
# shellcheck disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/own_root.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/go.sh"

build_matrix

go=()
for version in ${MATRIX_GO:-$(go_versions)}; do
    command=$(go_with_cacheprog "$version")
    go+=(--go "$version=$command")
done

# The paths of sockets have to be short; this mount is the case's own.
mkdir -p /mnt
mount --bind "$WORK" /mnt
# shellcheck disable=SC2086 # rows are words
TMPDIR=/mnt own_root "$WORK/root" "" "$matrix" --bin "$BIN" ${TEST_FULL:+--full} "${go[@]}" ${MATRIX_ROWS:-}
