# Proves that a fresh machine without Nix builds as one that built before: what a CI job put into a remote store, signed, another one
# takes from there, with nginx's WebDAV and with S3 (integration/s3_double); what no trusted key signed is not taken; what is old goes where
# that is asked for, and nothing else; and nothing that the remote store does makes a go command fail.
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

echo "=== what a remote store has"
status_of() { "$BIN/cacheprogctl" remote status --store "$WORK/machine-$1/store" --url "$S3_URL" "${@:2}"; }
expect "a machine that took all has all" grep -q ', key ci-1: counter .* here (100 %); ' <(status_of s3-1)
expect "so it is in JSON" python3 -c 'import json, sys; [of] = json.load(sys.stdin)["heads"]; assert of["head"]["entries"] == of["head"]["here"] > 50' < <(status_of s3-1 --json)
expect "a machine that trusts another key finds nothing of it" grep -q ', key other-1: nothing$' <(status_of s3-3 --trusted-public-keys "$OTHER")
mkdir "$WORK/alone" && cp "$BIN/cacheprogctl" "$WORK/alone/"
if env PATH=/nonexistent "$WORK/alone/cacheprogctl" remote status 2> "$WORK/said"; then fail "cacheprogctl ran what is not there"; fi
expect "a missing cacheprog-remote is told" grep -q 'install it beside cacheprogctl, or in PATH' "$WORK/said"

echo "=== removing what is old"
GC_URL=s3://packs/gc DAY=86400
clock() { curl -sS -f -d "{\"advance_seconds\": $1}" "$S3_ADDRESS/-/clock"; }
webdav() { curl -sS -f -u user:secret -o /dev/null "$@"; }
gc() { "$BIN/cacheprogctl" remote gc --url "$GC_URL" "$@"; }
deletes() { curl -sS -f "$S3_ADDRESS/-/requests" | grep -c '"DELETE"' || true; }
clock $((-31 * DAY))
NIX_GOCACHEPROG_REMOTE_NAME=old put_of s3-1 --url "$GC_URL"
for name in o/notes o/%01 h/common/notes notes; do webdav -T "$WORK/key" "$S3_ADDRESS/dav/gc/$name"; done
clock $((31 * DAY))
new_sources src
echo 'func edited() string { return "edited" }' >> word/word.go
machine s3-1 "$S3_URL"
NIX_GOCACHEPROG_REMOTE_NAME=new put_of s3-1 --url "$GC_URL"
# compiled_with NAME: packages that a fresh machine compiles, with what is there under this name.
compiled_with() { rm -rf "$WORK/machine-gc"; NIX_GOCACHEPROG_REMOTE_NAME=$1 machine gc "$GC_URL"; compiled; }
is "packages that a fresh machine compiles before" 0 "$(compiled_with new)"

curl -sS -f -X DELETE "$S3_ADDRESS/-/requests"
expect "a dry run tells what is old" grep -q '^would remove: heads 1 (' <(gc --dry-run)
is "what a dry run removes" 0 "$(deletes)"
export NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID=reader
if gc 2> "$WORK/said"; then fail "a reader removed objects"; fi
expect "a reader is told what is missing" grep -q 'gc needs credentials that may list the bucket and remove objects' "$WORK/said"
export NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID=writer
clock $((40 * DAY))
if gc 2> "$WORK/said"; then fail "it removed by a clock that is wrong"; fi
expect "a clock that is wrong is told" grep -q 'one of them is wrong' "$WORK/said"
clock $((-40 * DAY))
is "what was removed so far" 0 "$(deletes)"
gc | tee "$WORK/said"
expect "what is old is gone" grep -q '^removed: heads 1 (' "$WORK/said"
expect "objects with names of another form are told" grep -q '; objects with names of another form: 3$' "$WORK/said"
removed=$(deletes)
gc > /dev/null
is "requests to remove, after a second run" "$removed" "$(deletes)"
for name in o/notes o/%01 h/common/notes notes; do expect "$name is there" webdav "$S3_ADDRESS/dav/gc/$name"; done
is "packages that a fresh machine compiles of what is new" 0 "$(compiled_with new)"
expect "what is old is compiled" test "$(compiled_with old)" -gt 50

if "$BIN/cacheprog-remote" gc --url "$NGINX_URL" 2> "$WORK/said"; then fail "a web server was listed"; fi
removal=$(sed -n 's/.*in the directory of the URL: \(find .* -delete\)$/\1/p' "$WORK/said")
cd "$WORK/nginx/files/cache"
aged=$(find o -type f | head -n 1)
all=$(find . -type f | wc -l)
touch -d '32 days ago' "$aged"
$removal
is "files that the command for a web server leaves" $((all - 1)) "$(find . -type f | wc -l)"
expect "the old one is gone" test ! -e "$aged"

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
# test_tells WORDS: `cacheprog-remote test` says them.
test_tells() { grep -qF -- "$1" <("$BIN/cacheprog-remote" test --url "$S3_URL" --write 2>&1 || true); }
while IFS='|' read -r what rule expected told; do
    name=fault-${what//[^a-z0-9]/-}
    mkdir -p "$WORK/machine-$name"
    fault "$rule"
    is "$what: taken" "$expected" "$(pulled "$name")"
    # Where nothing was put yet, all is as it should be.
    [ "$expected" = all ] || [[ "$what" = 404* ]] || expect "$what: it is said" grep -q '^nix-gocacheprog: cacheprog-remote: ' "$WORK/said"
    expect "$what: the command test says: $told" test_tells "$told"
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
