# modproxy beside real Nix builds of a program's modules (a vendorHash): one dependency more downloads that dependency alone;
# two builds at once, a stopped daemon and a killed proxy go as without.
# Texts for Nix stay unexpanded, and variables are for the sourced files:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/go.sh"
source "$CASE_DIR/lib/program.sh"
source "$CASE_DIR/lib/modproxy.sh"
trap 'modproxy_end; _case_end' EXIT
export GOTOOLCHAIN=local GOCACHE=$WORK/gocache
fetch_program "$WORK/program"
start_daemon
start_upstream

# The program, and with one module more.
cp -r "$WORK/program/src" "$WORK/more"
printf 'package more\n\nimport _ "github.com/gorilla/schema"\n' > "$WORK/more/more.go"
mkdir "$WORK/more/more" && mv "$WORK/more/more.go" "$WORK/more/more/"
(cd "$WORK/more" && GOFLAGS=-mod=mod go get github.com/gorilla/schema@v1.2.0 2> /dev/null)

# hash_of SRC: what a build of its modules has to come out as.
hash_of() {
    (cd "$1" && GOFLAGS=-mod=mod GOWORK=off go mod vendor -o "$WORK/vendor-$2" 2> "$WORK/vendor.log") || { cat "$WORK/vendor.log" >&2; return 1; }
    nix-hash --type sha256 --base32 "$WORK/vendor-$2"
}
plain_hash=$(hash_of "$WORK/program/src" plain)
more_hash=$(hash_of "$WORK/more" more)

# modules NAME SRC HASH [NIX-ARG...]: builds them, asking the counted upstream.
modules() {
    local name=$1 src=$2 hash=$3
    shift 3
    GOPROXY=$UPSTREAM NIX_GOCACHEPROG_VERBOSE=1 nixbuild "$CASE_DIR/nix/modules.nix" --argstr gosdk "$SDK" \
        --arg overlay "$ROOT_DIR/overlay/default.nix" --argstr name "$name" --arg src "$src" --argstr hash "$hash" "$@" \
        2> "$WORK/$name.log" || { tail -n 30 "$WORK/$name.log" >&2; return 1; }
}

modules without "$WORK/program/src" "$plain_hash" --arg withHook false > /dev/null
without=$(asked)
forget
modules cold "$WORK/program/src" "$plain_hash" > /dev/null
expect "cold: $(asked) requests, as without the cache ($without)" test "$(asked)" -le "$without"
forget
modules again "$WORK/program/src" "$plain_hash" > /dev/null
is "again: requests" 0 "$(asked)"
forget
modules more "$WORK/more" "$more_hash" > /dev/null
cat "$WORK/asked"
expect "one module more: $(asked) requests, all for it" test "$(asked)" = "$(asked '^[0-9]+ [0-9]+ github.com/gorilla/schema/')"
is "of its zip file" 1 "$(asked 'github.com/gorilla/schema/@v/v1.2.0.zip$')"
echo "summary: without $without requests, again 0, one module more $(asked)"

forget
modules proxy-vendor "$WORK/program/src" "$(cd "$WORK/program/src" && fetch vendor "$UPSTREAM" go mod download &&
    rm -rf "$WORK/mod-vendor/cache/download/sumdb" && nix-hash --type sha256 --base32 "$WORK/mod-vendor/cache/download")" \
    --arg proxyVendor true > /dev/null

# Two at once, of which one downloads a module that the other waits for.
echo '--- two at once'
NIX_MAX_JOBS=2
new_state_for_two() { stop_daemon; rm -rf "$STATE"; start_daemon; }
new_state_for_two
cat > "$WORK/two.nix" << NIX
map (name: import $CASE_DIR/nix/modules.nix {
  gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix; src = $WORK/program/src; hash = "$plain_hash"; inherit name;
}) [ "left" "right" ]
NIX
GOPROXY=$UPSTREAM nixbuild "$WORK/two.nix" > /dev/null 2> "$WORK/two.log" || { tail -n 30 "$WORK/two.log" >&2; fail "two at once"; }

echo '--- trouble'
hide='preBuild = "pkill -9 modproxy || true; echo killed";'
modules killed "$WORK/program/src" "$plain_hash" --arg extra "{ postConfigure = \"(sleep 0.5; for p in /proc/[0-9]*; do [ \\\"\\\$(cat \\\$p/comm)\\\" != modproxy ] || kill -9 \\\${p#/proc/}; done) &\"; }" > /dev/null
expect "a proxy that is killed" test -s "$WORK/killed.log"
stop_daemon
modules no-daemon "$WORK/program/src" "$plain_hash" > /dev/null
start_daemon
modules stopped "$WORK/program/src" "$plain_hash" --arg extra "{ postConfigure = \"touch \$NIX_BUILD_TOP/begun\"; }" > /dev/null &
sleep 2
kill -STOP "$DAEMON_PID"
wait $! || fail "a daemon that hangs"
kill -CONT "$DAEMON_PID"
expect "the store is whole" store_is_whole
