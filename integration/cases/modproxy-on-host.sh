# Proves that modproxy on the host changes no result of go commands: with the more than 100 modules of Caddy from the machine's
# real GOPROXY, with counted requests; with other requests of go commands, of all versions of Go (--full); with failing
# upstreams, where go must end as it would with the list alone; without a network, and with --offline.
# With --full: the proxy's own tests have the faults, modproxy-in-nix-builds the real program.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/go.sh"
source "$CASE_DIR/lib/program.sh"
source "$CASE_DIR/lib/modproxy.sh"
trap modproxy_case_end EXIT
export GOTOOLCHAIN=local GOCACHE=$WORK/gocache

# --- A program with more than 100 modules ---
real_program "$WORK/program"
cd "$WORK/program/src"
start_upstream
start_modproxy main

cpu fetch plain "$UPSTREAM" go mod download
plain_requests=$(requests) plain_bytes=$(requested_bytes) plain_cpu=$CPU
reset_requests
before=$(ticks "$MODPROXY_PID")
cpu fetch cold "$PROXY" go mod download
cold_cpu=$((CPU + $(ticks "$MODPROXY_PID") - before))
modules=$(requests '\.zip$')
expect "the program has more than 100 modules: $modules" test "$modules" -gt 100
expect "cold: $(requests) requests of the upstream, as without ($plain_requests)" test "$(requests)" -le "$plain_requests"
expect "cold: $(requested_bytes) bytes, as without ($plain_bytes)" test "$(requested_bytes)" -le "$plain_bytes"
# Without modproxy the answers of the checksum database are in the module cache as well.
expect "the same modules in the module cache" diff -rq -x sumdb -x lock "$WORK/mod-plain/cache/download" "$WORK/mod-cold/cache/download"

cold_requests=$(requests)
reset_requests
before=$(ticks "$MODPROXY_PID")
cpu fetch warm "$PROXY" go mod download
warm_wall=$WALL warm_cpu=$((CPU + $(ticks "$MODPROXY_PID") - before))
expect "warm: $(requests "$IMMUTABLE") requests of immutable files" test "$(requests "$IMMUTABLE")" = 0
expect "the same modules in the module cache" diff -rq -x sumdb -x lock "$WORK/mod-plain/cache/download" "$WORK/mod-warm/cache/download"
is "it is healthy" ok "$(curl -sS --noproxy '*' "$PROXY/healthz")"
is "its metrics have the requests that the upstream counted" "$((cold_requests + $(requests)))" "$(metric upstream_requests_total)"
is "none of them failed" 0 "$(metric upstream_errors_total)"
expect "each module came from the cache once" test "$(metric 'requests_total{result="cached"}')" -ge "$modules"
expect "what came is in its cache" test "$(metric cache_bytes)" -ge "$(metric downloaded_bytes_total)"
cpu fetch floor "file://$WORK/mod-plain/cache/download" go mod download
echo "summary: $modules modules; cold: CPU $cold_cpu, without $plain_cpu; warm: wall $warm_wall, CPU $warm_cpu; from a directory $WALL, $CPU (1/100 s)"

stop_modproxy
offline() {
    trap stop_modproxy EXIT # also where something fails
    ip link set lo up
    start_modproxy main "$UPSTREAM"
    fetch offline "$PROXY" go mod download
    fetch offline-list "$PROXY" go list -m -versions github.com/caddyserver/certmagic > "$WORK/versions-offline"
    stop_modproxy
}
start_modproxy main
fetch versions "$PROXY" go list -m -versions github.com/caddyserver/certmagic > "$WORK/versions"
stop_modproxy
export -f offline start_modproxy stop_modproxy fetch _first_line
export WORK BIN UPSTREAM GO_SUMDB MODPROXY_PID
expect "the warm proxy serves without a network" unshare --net bash -euc offline
expect "without a network the last known answers are served" diff "$WORK/versions" "$WORK/versions-offline"
expect "the log says so" grep -q 'serving the last known answer' "$WORK/modproxy.log"

# The same by a flag, with a network.
reset_requests
start_modproxy main "$UPSTREAM" --offline --log-requests
fetch flag "$PROXY" go mod download
expect "--offline: the same modules in the module cache" diff -rq -x sumdb -x lock "$WORK/mod-plain/cache/download" "$WORK/mod-flag/cache/download"
fetch flag "$PROXY" go list -m -versions github.com/caddyserver/certmagic > "$WORK/versions-offline"
expect "--offline: the last known answers are served" diff "$WORK/versions" "$WORK/versions-offline"
if fetch flag "$PROXY" go mod download github.com/pkg/errors@v0.8.0 2> "$WORK/err"; then fail "a module that is not in the cache came"; fi
expect "--offline: the go command says why another module does not come" grep -q 'this proxy is offline' "$WORK/err"
is "--offline: requests of the upstream" 0 "$(requests)"
is "the metrics say so" "0 1" "$(metric upstream_requests_total) $(metric offline)"
expect "--log-requests: a line for each request" grep -qE '/@v/v[^ ]+\.zip: cached, [0-9]+ bytes, [0-9]+ ms' "$WORK/modproxy.log"
stop_modproxy

# --- Other requests of go commands ---
# same NAME COMMAND: its output and status are the same without the proxy, with a cold one and with a warm one.
same() {
    local name=$1 run list
    shift
    for run in plain cold warm; do
        list=$PROXY,direct
        [ "$run" != plain ] || list=$UPSTREAM,direct
        rm -rf "$WORK/module" && mkdir "$WORK/module"
        printf 'module example.test/m\n\ngo 1.21\n' > "$WORK/module/go.mod"
        (cd "$WORK/module" && fetch asks "$list" bash -c "$*" > "$WORK/output-$run" 2>&1; echo "status $?" >> "$WORK/output-$run"
            cat go.mod go.sum >> "$WORK/output-$run" 2> /dev/null) || true
        sed -i "s#$list#LIST#; s#${list%,direct}#PROXY#" "$WORK/output-$run"
    done
    expect "$name, cold" diff "$WORK/output-plain" "$WORK/output-cold"
    expect "$name, warm" diff "$WORK/output-plain" "$WORK/output-warm"
}
installed=$PATH
for version in $(go_versions); do
    PATH=$installed
    wanted=$version
    [ "$wanted" = local ] || wanted=go$version
    goroot=$(cd / && GOTOOLCHAIN=$wanted GOFLAGS='' go env GOROOT)
    PATH=$goroot/bin:$installed
    echo "--- $(go version)"
    rm -rf "$WORK/store-$version"
    start_modproxy "$version"
    same "go get @latest" 'go get golang.org/x/example@latest 2> /dev/null'
    same "versions" 'go list -m -versions golang.org/x/text'
    same "a module with capitals, +incompatible" 'go get github.com/BurntSushi/toml@v0.4.1 github.com/docker/go-units@v0.5.0 github.com/docker/docker@v20.10.7+incompatible 2> /dev/null'
    same "a later major version" 'go get github.com/cespare/xxhash/v2@v2.1.1 gopkg.in/yaml.v3@v3.0.1 2> /dev/null; go mod download all'
    same "a retracted version" 'go get github.com/golang-jwt/jwt/v4@v4.4.0 2> /dev/null; go list -m -u -retracted -f "{{.Path}} {{.Version}} {{.Retracted}}" all'
    same "a branch" 'go list -m golang.org/x/text@master'
    same "a module that is not there" 'go list -m golang.org/x/no-such-module@latest 2> /dev/null'
    same "a version that is not there" 'go list -m golang.org/x/text@v9.9.9 2> /dev/null'
    stop_modproxy
done
PATH=$installed
start_modproxy toolchain
fetch toolchain "$PROXY" env GOTOOLCHAIN=go1.24.1 go version > "$WORK/toolchain"
expect "a toolchain is downloaded" grep -q go1.24.1 "$WORK/toolchain"
reset_requests
fetch toolchain "$PROXY" env GOTOOLCHAIN=go1.24.1 go version > "$WORK/toolchain"
expect "the toolchain is downloaded once" test "$(requests '\.zip$')" = 0

# --- Failing upstreams ---
printf 'module example.test/m\n\ngo 1.21\n\nrequire github.com/pkg/errors v0.9.1\n' > "$WORK/module/go.mod"
cd "$WORK/module"
for fault in 404 410 403 500 cut short html; do
    echo "$fault" > "$WORK/requests.fault"
    status=0 with=0
    fetch fault "$UPSTREAM" go mod download > "$WORK/without" 2>&1 || status=$?
    fetch fault "$PROXY|$UPSTREAM" go mod download > "$WORK/with" 2>&1 || with=$?
    is "an upstream that does \"$fault\": exit status" "$status" "$with"
done
rm "$WORK/requests.fault"
fetch fault "$PROXY|$UPSTREAM" go mod download
expect "no wrong file was cached" test -d "$WORK/mod-fault/github.com/pkg/errors@v0.9.1"
stop_modproxy KILL
fetch fault "$PROXY|$UPSTREAM" go mod download
expect "without the proxy go asks the rest of its list" test -d "$WORK/mod-fault/github.com/pkg/errors@v0.9.1"
# The proxy is killed during a download.
cd "$WORK/program/src"
start_modproxy killed
(sleep 0.7 && kill -9 "$MODPROXY_PID") & killer=$!
GONOSUMDB='*' fetch killed "$PROXY|$UPSTREAM" go mod download
wait "$killer"
expect "after the proxy was killed all modules arrive" diff -rq -x sumdb -x lock "$WORK/mod-plain/cache/download" "$WORK/mod-killed/cache/download"
MODPROXY_PID=
