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
new_sources() { rm -rf "$WORK/$1" && cp -r "$CASE_DIR/programs/small" "$WORK/$1" && cd "$WORK/$1"; }
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
asks_again() { rm -f "$WORK/machine-$1/store/remote"/asked-*; }
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
# fault JSON: from now on the store does this.
fault() { curl -sS -f -X POST "$S3_ADDRESS/-/faults" -d "$1" > /dev/null; }
number=0
while IFS='|' read -r what rule packages; do
    number=$((number + 1))
    fault "$rule"
    began=$SECONDS
    machine "fault-$number" "$S3_URL"
    is "$what: packages that are compiled" "$packages" "$(if [ "$(compiled)" = 0 ]; then echo none; else echo some; fi)"
    expect "$what: nothing waits for long" test $((SECONDS - began)) -lt 90
    STATE=$WORK/machine-fault-$number/store
    expect "$what: every object and record is intact" store_is_whole
    curl -sS -f -X DELETE "$S3_ADDRESS/-/faults" > /dev/null
done < "$CASE_DIR/lib/remote_faults.txt"
