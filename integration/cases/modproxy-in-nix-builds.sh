# Proves that modproxy works in real Nix builds of a program's modules (a vendorHash): one more dependency downloads only that
# dependency. Then, with a few modules: fetchers without phases, structured attributes, two builds at once, and failures.
# (Texts for Nix are not expanded; variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/go.sh"
source "$CASE_DIR/lib/program.sh"
source "$CASE_DIR/lib/modproxy.sh"
trap modproxy_case_end EXIT
export GOTOOLCHAIN=local GOCACHE=$WORK/gocache
real_program "$WORK/program"
start_daemon
start_upstream

# program NAME MODULE@VERSION...: makes a program in WORK/NAME, or adds to it, that needs these modules; sets HASH, its
# vendorHash.
program() {
    local name=$1 module
    shift
    mkdir -p "$WORK/$name/needs"
    [ -e "$WORK/$name/go.mod" ] || printf 'module example.test/m\n\ngo 1.21\n' > "$WORK/$name/go.mod"
    (
        cd "$WORK/$name"
        export GOFLAGS=-mod=mod GOWORK=off
        go get "$@"
        { echo 'package needs' && for module in "$@"; do echo "import _ \"${module%@*}\""; done; } > needs/needs.go
        go mod vendor -o "$WORK/vendor-$name"
    ) > "$WORK/program.log" 2>&1 || { cat "$WORK/program.log" >&2; return 1; }
    HASH=$(nix-hash --type sha256 --base32 "$WORK/vendor-$name")
}

# modules NAME SRC [NIX-ARG...]: builds the modules of a program, with HASH, from the counted upstream.
modules() {
    local name=$1 src=$2
    shift 2
    GOPROXY=$UPSTREAM NIX_GOCACHEPROG_VERBOSE=1 nixbuild "$CASE_DIR/nix/modules.nix" --argstr gosdk "$SDK" \
        --arg overlay "$ROOT_DIR/overlay/default.nix" --argstr name "$name" --arg src "$src" --argstr hash "$HASH" "$@" \
        > /dev/null 2> "$WORK/$name.log" || { tail -n 30 "$WORK/$name.log" >&2; return 1; }
}

HASH=$(nix-hash --type sha256 --base32 "$WORK/program/vendor")
modules without "$WORK/program/src" --arg withHook false
without=$(requests)
reset_requests
modules cold "$WORK/program/src"
expect "cold: $(requests) requests, as without the cache ($without)" test "$(requests)" -le "$without"
reset_requests
modules again "$WORK/program/src"
is "again: requests" 0 "$(requests)"
cp -r "$WORK/program/src" "$WORK/more"
program more github.com/gorilla/schema@v1.2.0
reset_requests
modules more "$WORK/more"
cat "$WORK/requests"
expect "one module more: $(requests) requests, all for it" test "$(requests)" = "$(requests 'github.com/gorilla/schema/')"
is "one request for its zip file" 1 "$(requests '/@v/v1.2.0.zip$')"
echo "summary: without $without requests, again 0, one module more $(requests)"

echo '--- a few modules'
program few github.com/BurntSushi/toml@v1.2.0 github.com/gorilla/mux@v1.8.0
modules few "$WORK/few"
reset_requests
modules structured "$WORK/few" --arg extra '{ __structuredAttrs = true; }'
is "structured attributes: requests" 0 "$(requests)"
modules own "$WORK/few" --arg extra "{ preBuild = \"export GOPROXY='$UPSTREAM,off'\"; }"
is "a list that the package sets itself: requests" 0 "$(requests)"
modules off "$WORK/few" --arg extra '{ NIX_GOCACHEPROG = "0"; }'
expect "switched off: $(requests) requests" test "$(requests)" -gt 0

# Fetchers without phases, one for each module, as in gomod2nix.
cat > "$WORK/fetch.nix" << NIX
{ name, hash }:
let
  pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix; };
in (pkgs.nixGocacheprogFetching pkgs.stdenv).mkDerivation {
  inherit name;
  nativeBuildInputs = [ pkgs.go ];
  builder = builtins.toFile "fetch.sh" ''
    source "\$stdenv/setup"
    export HOME=\$NIX_BUILD_TOP GOSUMDB=off GOFLAGS=-modcacherw GOTOOLCHAIN=local
    cd "\$HOME"
    go mod download github.com/gorilla/mux@v1.8.0
    cp -r go/pkg/mod/github.com/gorilla/mux@v1.8.0 "\$out"
  '';
  impureEnvVars = [ "GOPROXY" ];
  outputHashMode = "recursive"; outputHashAlgo = "sha256"; outputHash = hash;
}
NIX
fetch mux "$UPSTREAM" go mod download github.com/gorilla/mux@v1.8.0
reset_requests
GOPROXY=$UPSTREAM nixbuild "$WORK/fetch.nix" --argstr name fetch \
    --argstr hash "$(nix-hash --type sha256 --base32 "$WORK/mod-mux/github.com/gorilla/mux@v1.8.0")" > /dev/null
is "a fetcher without phases: requests" 0 "$(requests)"

echo '--- failures'
modules killed "$WORK/few" --arg extra '{ preBuild = "for p in /proc/[0-9]*; do if grep -q ^gocache-mod \$p/comm; then kill -9 \${p#/proc/}; echo it is killed; fi; done"; }'
expect "the build goes on after its proxy was killed" grep -q 'it is killed' "$WORK/killed.log"
kill -STOP "$DAEMON_PID"
(sleep 20; kill -CONT "$DAEMON_PID") & waker=$!
modules waiting "$WORK/few" # without an answer the hook offers nothing
wait "$waker"
stop_daemon
modules no-daemon "$WORK/few"
rm -rf "$STATE"
start_daemon
NIX_MAX_JOBS=2
cat > "$WORK/two.nix" << NIX
map (name: import $CASE_DIR/nix/modules.nix {
  gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix; src = $WORK/few; hash = "$HASH"; inherit name;
}) [ "left" "right" ]
NIX
GOPROXY=$UPSTREAM nixbuild "$WORK/two.nix" > /dev/null 2> "$WORK/two.log" || { tail -n 30 "$WORK/two.log" >&2; fail "two builds at once failed"; }
# A daemon that hangs while the build uses it.
modules hangs "$WORK/few" --arg extra '{ preBuild = "echo go on; sleep 8"; }' & building=$!
while ! grep -q 'go on' "$WORK/hangs.log" 2> /dev/null; do kill -0 "$building" || fail "the build did not start"; sleep 0.2; done
kill -STOP "$DAEMON_PID"
wait "$building" || { kill -CONT "$DAEMON_PID"; fail "the build failed with a daemon that hangs"; }
kill -CONT "$DAEMON_PID"
expect "every object and record of the store is intact" store_is_whole
