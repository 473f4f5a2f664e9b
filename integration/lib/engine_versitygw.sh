# versitygw, an S3 gateway to a file system, as one process: built by `go install` once and kept by version (lib/kept.sh), which takes some minutes.
# Source it after lib/case.sh and lib/remote_engines.sh. It ends with the case's process namespace. Needs a file system with user
# attributes for WORK.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/kept.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/loopback.sh"

VERSITYGW_VERSION=1.8.0

# start_versitygw: sets S3_URL, S3_ADDRESS and S3_REGION; the credentials are in the variables that cacheprog-remote reads.
start_versitygw() {
    kept "versitygw-$VERSITYGW_VERSION-$(go env GOARCH)" _versitygw_make || fail "versitygw cannot be built"
    loopback_net
    mkdir -p "$WORK/versitygw/files/packs" # a bucket is a directory
    : > "$WORK/versitygw/requests"
    ROOT_ACCESS_KEY=writer ROOT_SECRET_KEY=secret "$KEPT/versitygw" --port "$LOOPBACK.1:7070" --region us-east-1 --quiet \
        --access-log "$WORK/versitygw/requests" posix "$WORK/versitygw/files" > "$WORK/versitygw/log" 2>&1 < /dev/null &
    listens_at "$LOOPBACK.1:7070" || { tail -n 20 "$WORK/versitygw/log" >&2; fail "versitygw does not start"; }
    S3_ADDRESS=http://$LOOPBACK.1:7070 S3_URL=s3://packs/cache S3_REGION=us-east-1
    export NIX_GOCACHEPROG_REMOTE_ENDPOINT=$S3_ADDRESS NIX_GOCACHEPROG_REMOTE_REGION=$S3_REGION
    export NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID=writer NIX_GOCACHEPROG_REMOTE_SECRET_ACCESS_KEY=secret
}

# engine_requests: prints the requests since the last call, by operation, and those that were refused or failed.
engine_requests() {
    # A line has an operation, the name of the object, the path, the status.
    awk '{ for (at = 1; at < NF; at++) if (sub(/^s3_/, "", $at)) { n[$at]++; if ($(at + 3) >= 400) n["status " $(at + 3)]++ } }
        END { for (what in n) printf "%s %d  ", what, n[what]; print "" }' "$WORK/versitygw/requests"
    : > "$WORK/versitygw/requests"
}

# _versitygw_make DIR
_versitygw_make() { (cd / && GOBIN=$1 GOCACHEPROG='' GOFLAGS='' CGO_ENABLED=0 nice go install "github.com/versity/versitygw/cmd/versitygw@v$VERSITYGW_VERSION"); }
