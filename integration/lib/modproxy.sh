# modproxy on the host, with the machine's real GOPROXY or a directory as its upstream, and a counter of all requests between
# them. Source it after lib/case.sh and lib/go.sh; reads WORK, BIN, CASE_DIR. The case sets `trap modproxy_case_end EXIT`.
# shellcheck shell=bash
set -euo pipefail

COUNT_PID=
MODPROXY_PID=

# start_upstream [URL]: a counter in front of URL, or of the first proxy of `go env GOPROXY`; sets UPSTREAM. Its log: WORK/requests.
start_upstream() {
    local url=${1:-${GO_PROXY%%[,|]*}}
    shared countproxy _make_countproxy
    : > "$WORK/requests"
    "$SHARED/countproxy/countproxy" "$WORK/requests" "$url" > "$WORK/upstream.url" 2> "$WORK/upstream.log" &
    COUNT_PID=$!
    UPSTREAM=$(_first_line "$WORK/upstream.url")
}

_make_countproxy() { (cd "$CASE_DIR/programs/countproxy" && env -u GOCACHE GOFLAGS='' GOCACHEPROG='' go build -o "$1/countproxy" .); }

# start_modproxy NAME [UPSTREAM [OPTION...]]: `modproxy serve` on a store of that name; sets PROXY, MODPROXY_PID.
start_modproxy() {
    rm -f "$WORK/modproxy.url"
    "$BIN/modproxy" serve --listen 127.0.0.1:0 --store "$WORK/store-$1" --upstream "${2:-$UPSTREAM}" "${@:3}" \
        > "$WORK/modproxy.url" 2>> "$WORK/modproxy.log" &
    MODPROXY_PID=$!
    # shellcheck disable=SC2034 # for the case
    PROXY=$(_first_line "$WORK/modproxy.url")
}

_first_line() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if [ -s "$1" ]; then head -n 1 "$1"; return; fi
        sleep 0.05
    done
    echo "modproxy.sh: nothing in $1" >&2
    return 1
}

stop_modproxy() {
    [ -n "$MODPROXY_PID" ] || return 0
    kill "-${1:-TERM}" "$MODPROXY_PID" 2> /dev/null || true
    wait "$MODPROXY_PID" 2> /dev/null || true
    MODPROXY_PID=
}

modproxy_end() {
    stop_modproxy KILL
    [ -z "$COUNT_PID" ] || { kill "$COUNT_PID" 2> /dev/null || true; wait "$COUNT_PID" 2> /dev/null || true; }
    COUNT_PID=
}

# Ends a case with its status, and the processes that it started.
modproxy_case_end() {
    local status=$?
    set +e
    modproxy_end
    (exit "$status")
    _case_end
}

# requests [PATTERN]: prints how many requests with this pattern in the path the upstream got since `reset_requests`.
requests() { grep -cE "^[0-9]+ [0-9]+ .*${1:-}" "$WORK/requests" || true; }
requested_bytes() { awk '{ sum += $2 } END { print sum + 0 }' "$WORK/requests"; }
reset_requests() { : > "$WORK/requests"; }

# metric NAME: prints a metric of the running modproxy.
metric() { curl -sS --noproxy '*' "$PROXY/metrics" | awk -v name="gocacheprog_modproxy_$1" '$1 == name { print $2 }'; }

# A pattern for the paths of immutable files.
# shellcheck disable=SC2034
IMMUTABLE='@v/v[0-9]+\.[0-9]+\.[0-9]+[^/]*\.(info|mod|zip)$|/tile/|/lookup/'

# fetch NAME LIST COMMAND...: a go command with an empty GOMODCACHE of that name and this GOPROXY.
fetch() {
    local name=$1 list=$2
    shift 2
    rm -rf "$WORK/mod-$name"
    GOMODCACHE=$WORK/mod-$name GOFLAGS=-modcacherw GOPROXY=$list GOSUMDB=$GO_SUMDB GOCACHEPROG='' "$@"
}

# ticks PID: prints the processor time that it has used, in hundredths of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# cpu COMMAND...: runs the command; sets CPU (its processor time) and WALL, in hundredths of a second.
cpu() {
    local before after began self=$BASHPID
    began=$(date +%s%N)
    before=$(awk '{ print $16 + $17 }' "/proc/$self/stat")
    "$@"
    after=$(awk '{ print $16 + $17 }' "/proc/$self/stat")
    # shellcheck disable=SC2034 # for the case
    CPU=$((after - before)) WALL=$((($(date +%s%N) - began) / 10000000))
}
