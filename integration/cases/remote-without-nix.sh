# Proves that a fresh machine without Nix builds as one that built before: what a CI job put into a remote store, signed, another one
# takes from there, with nginx's WebDAV and with S3 (integration/s3_double); what no trusted key signed is not taken; and nothing that the
# remote store does makes a go command fail.
# (Variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/remote_engines.sh"

remote_programs
export GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local CGO_ENABLED=0 GIT_CEILING_DIRECTORIES=$WORK
export NIX_GOCACHEPROG_REMOTE_NAME=example.test/small@main
new_sources() { rm -rf "${WORK:?}/$1" && cp -r "$CASE_DIR/programs/small" "$WORK/$1" && cd "$WORK/$1"; }
# machine NAME URL [GO-ARGUMENT...]: a build on a machine that has nothing but what is in its directory; compiled packages are in
# WORK/compiled, what its cache program said in WORK/said.
machine() {
    local dir=$WORK/machine-$1 url=$2
    shift 2
    mkdir -p "$dir"
    rm -rf "$dir/gocache"
    GOCACHE=$dir/gocache GOCACHEPROG="$BIN/cacheprog-client --store $dir/store --remote $url" go build -v -o "$dir/program" "$@" ./cmd/small 2> "$WORK/said" || { cat "$WORK/said" >&2; return 1; }
    grep -v '^nix-gocacheprog: ' "$WORK/said" > "$WORK/compiled" || true
}
compiled() { wc -l < "$WORK/compiled"; }
# asks_again NAME: the machine's store was filled long ago.
asks_again() { rm -rf "$WORK/machine-$1/store/remote/asked"; }
put_of() { local name=$1; shift; "$BIN/cacheprog-remote" push --store "$WORK/machine-$name/store" --secret-key-file "$WORK/key" "$@"; }

new_sources src
KEY=$("$BIN/cacheprog-remote" keygen ci-1 --secret-key-file "$WORK/key")
OTHER=$("$BIN/cacheprog-remote" keygen other-1 --secret-key-file "$WORK/other")
export NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS=$KEY

# with_engine NAME URL: what is to hold with each engine.
with_engine() {
    local name=$1 url=$2 packages
    echo "=== $name"
    new_sources src
    expect "the store can be used" "$BIN/cacheprog-remote" test --url "$url" --write
    machine "$name-1" "$url"
    packages=$(compiled)
    expect "the first machine compiles everything" test "$packages" -gt 50
    cp "$WORK/machine-$name-1/program" "$WORK/program-$name"
    put_of "$name-1" --url "$url"
    expect "what is there is not put again" grep -q 'nothing is new' <(put_of "$name-1" --url "$url")

    machine "$name-2" "$url"
    is "packages that a fresh machine compiles" 0 "$(compiled)"
    expect "its program is the same" cmp "$WORK/machine-$name-2/program" "$WORK/program-$name"
    STATE=$WORK/machine-$name-2/store
    expect "every object and record of its store is intact" store_is_whole

    # An edit on another machine adds a file; the first machine gets it, too.
    echo 'func added() string { return "added" }' >> word/word.go
    machine "$name-2" "$url"
    edited=$(compiled)
    expect "an edit compiles what depends on it" test "$edited" -gt 0 -a "$edited" -lt 5
    put_of "$name-2" --url "$url"
    asks_again "$name-1"
    machine "$name-1" "$url"
    is "packages that the first machine compiles after the edit" 0 "$(compiled)"

    # A machine that trusts another key.
    NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS=$OTHER machine "$name-3" "$url"
    is "packages that a machine compiles which does not trust the key" "$packages" "$(compiled)"

    # A branch has what its base has.
    NIX_GOCACHEPROG_REMOTE_NAME=example.test/small@branch NIX_GOCACHEPROG_REMOTE_BASE=example.test/small@main machine "$name-4" "$url"
    is "packages that a branch compiles" 0 "$(compiled)"
}

start_nginx
with_engine nginx "$NGINX_URL"
start_s3_double
with_engine s3 "$S3_URL"

echo "=== what a remote store can do"
new_sources src
# fault RULE: from now on the store does this; fault none: it does nothing any more.
fault() {
    if [ "$1" = none ]; then curl -sS -f -X DELETE "$S3_ADDRESS/-/faults"; else curl -sS -f -d "$1" "$S3_ADDRESS/-/faults"; fi > /dev/null
}
# pulled NAME: what a machine with nothing takes.
pulled() {
    local toolchain
    toolchain=$(cat "$WORK/machine-s3-1/store/remote/toolchains"/*)
    timeout 300 "$BIN/cacheprog-remote" pull --url "$S3_URL" --store "$WORK/machine-$1/store" --toolchain "$toolchain" 2> "$WORK/said" |
        sed 's/.*: \([0-9]*\) of \([0-9]*\) entries.*/\1 \2/' | { read -r new all; if [ "$new" = 0 ]; then echo nothing; elif [ "$new" = "$all" ]; then echo all; else echo "$new of $all"; fi; }
}
while IFS='|' read -r what rule expected; do
    name=fault-${what//[^a-z0-9]/-}
    mkdir -p "$WORK/machine-$name"
    fault "$rule"
    is "$what: taken" "$expected" "$(pulled "$name")"
    # Where nothing was put yet, all is as it should be.
    [ "$expected" = all ] || [ "$what" = 404 ] || expect "$what: it is said" grep -q '^nix-gocacheprog: cacheprog-remote: ' "$WORK/said"
    fault none
    STATE=$WORK/machine-$name/store
    [ "$expected" = nothing ] || expect "$what: every object and record is intact" store_is_whole
    is "$what: taken afterwards" all "$(rm -rf "$WORK/machine-$name/store"; pulled "$name")"
done < "$CASE_DIR/lib/remote_faults.txt"

echo "=== a go command meanwhile"
fault '{"name": "o/", "fault": {"kind": "drip", "bytes_per_second": 1000}}'
machine dripping "$S3_URL"
expect "it compiles everything" test "$(compiled)" -gt 50
expect "the program is the same as without" cmp "$WORK/machine-dripping/program" "$WORK/program-s3"
