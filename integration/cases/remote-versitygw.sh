# Proves that machines share what builds used through versitygw, an S3 gateway of another make than the engines of the other cases.
# With --remote: it builds versitygw, which takes some minutes of CPU time when it was not built before.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/with_engine.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/engine_versitygw.sh"

start_versitygw
expect "the store can be used" "$BIN/cacheprog-remote" test --url "$S3_URL" --write
with_engine versitygw "$S3_URL" "endpoint = '$S3_ADDRESS'" "region = '$S3_REGION'"
echo "summary: a fresh machine compiles next to nothing with versitygw"
