# A cluster of three nodes of OpenStack Swift with its S3 face, and three copies of each object: Python's packages alone, kept by version
# (lib/kept.sh). Each node has a server for objects, one for containers, one for accounts, and a proxy at which S3 is asked for. Source it after
# lib/case.sh and lib/remote_engines.sh. The servers end with the case's process namespace. Needs a file system with user attributes for WORK.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/kept.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/loopback.sh"

# The versions of Python's packages.
SWIFT_PACKAGES=$CASE_DIR/lib/engine_swift.txt
# A server, and its port on each node.
SWIFT_SERVERS=(object:6200 container:6201 account:6202 proxy:6080)
NODES=3
declare -A NODE_PIDS=()

# start_swift: sets S3_URL, S3_ADDRESS (the first node's) and S3_REGION; the credentials are in the variables that cacheprog-remote reads.
start_swift() {
    local node
    need_tools python3=python3-minimal curl=curl memcached=memcached || fail "no python3, curl or memcached"
    python3 -c 'import ensurepip, venv' 2> /dev/null || need_files /nonexistent=python3-venv || fail "no venv for Python"
    kept "swift-$({ python3 --version && cat "$SWIFT_PACKAGES"; } | sha256sum | cut -c1-16)" _swift_make || fail "Swift cannot be installed"
    SWIFT=$KEPT
    loopback_net
    SWIFT_DIR=$WORK/swift
    mkdir -p "$SWIFT_DIR"
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.swift.test", b"1")' "$SWIFT_DIR" || fail "$SWIFT_DIR: its file system has no user attributes"
    _swift_rings
    memcached -u root -l "$LOOPBACK.1" -p 6211 -m 16 > "$SWIFT_DIR/memcached.log" 2>&1 < /dev/null &
    _swift_log &
    listens_at "$LOOPBACK.1:6211"
    for ((node = 1; node <= NODES; node++)); do
        _swift_config "$node"
        start_node "$node"
    done
    for ((node = 1; node <= NODES; node++)); do node_answers "$node"; done
    _swift_container packs
    S3_ADDRESS=http://$LOOPBACK.1:6080 S3_URL=s3://packs/cache S3_REGION=us-east-1
    export NIX_GOCACHEPROG_REMOTE_ENDPOINT=$S3_ADDRESS NIX_GOCACHEPROG_REMOTE_REGION=$S3_REGION
    export NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID=test:tester NIX_GOCACHEPROG_REMOTE_SECRET_ACCESS_KEY=testing
}

# start_node N: starts its servers. node_answers N waits for them.
start_node() {
    local server
    NODE_PIDS[$1]=
    for server in "${SWIFT_SERVERS[@]}"; do
        server=${server%:*}
        # No child of this shell, which would tell of its end.
        ("$SWIFT/bin/python" "$SWIFT/bin/swift-$server-server" "$SWIFT_DIR/$1/$server.conf" >> "$SWIFT_DIR/$1/$server.log" 2>&1 < /dev/null & echo $! > "$SWIFT_DIR/$1/pid")
        NODE_PIDS[$1]+="$(cat "$SWIFT_DIR/$1/pid") "
    done
}
# signal_node N SIGNAL: all its servers get the signal.
signal_node() {
    local pids
    read -ra pids <<< "${NODE_PIDS[$1]}"
    kill "-$2" "${pids[@]}"
}
node_answers() {
    local server
    for server in "${SWIFT_SERVERS[@]}"; do
        curl -sS -f -o /dev/null --noproxy '*' --retry 600 --retry-delay 0 --retry-max-time 90 --retry-connrefused "http://$LOOPBACK.$1:${server#*:}/healthcheck" 2>> "$SWIFT_DIR/$1/waited.log" ||
            { tail -n 20 "$SWIFT_DIR/$1/${server%:*}.log" >&2; fail "node $1: no ${server%:*} server"; }
    done
}

# cluster_heals: gives each node the copies that it missed, as a replicator does which a cluster has running all the time.
cluster_heals() {
    local node
    for ((node = 1; node <= NODES; node++)); do
        "$SWIFT/bin/python" - "$SWIFT_DIR/rings" "$SWIFT_DIR/$node/object.conf" >> "$SWIFT_DIR/$node/replicator.log" 2>&1 << 'PYTHON' || { tail -n 20 "$SWIFT_DIR/$node/replicator.log" >&2; fail "node $node: its replicator failed"; }
import sys
from swift.common import utils
utils.set_swift_dir(sys.argv[1])  # it reads /etc/swift otherwise
from swift.common.daemon import run_daemon
from swift.obj.replicator import ObjectReplicator
run_daemon(ObjectReplicator, sys.argv[2], section_name="object-replicator", once=True)
PYTHON
    done
}

# engine_requests: prints the requests since the last call, by method, and those that were refused or failed.
engine_requests() {
    # Of an address, another one, a time: method, path, protocol, status.
    awk '$0 ~ /\/packs/ { for (at = 1; at < NF; at++) if ($at ~ /^HTTP/) { n[$(at - 2)]++; if ($(at + 1) >= 400) n["status " $(at + 1)]++ } }
        END { for (what in n) printf "%s %d  ", what, n[what]; print "" }' "$SWIFT_DIR/requests"
    : > "$SWIFT_DIR/requests"
}

# _swift_make DIR
_swift_make() { python3 -m venv "$1" && "$1/bin/pip" install --quiet --disable-pip-version-check --requirement "$SWIFT_PACKAGES"; }

# _swift_log: writes what the proxies tell of each request, by UDP as to syslog, into a file.
_swift_log() {
    python3 -u -c 'import socket, sys
log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
log.bind((sys.argv[1], 6514))
while True:
    line = log.recv(65536).decode(errors="replace").rstrip("\0\n")
    with open(sys.argv[2], "a") as file:
        file.write(line + "\n")' "$LOOPBACK.1" "$SWIFT_DIR/requests" < /dev/null
}

# _swift_rings: which node has which part, the same for all nodes.
_swift_rings() {
    local server node port
    mkdir -p "$SWIFT_DIR/rings"
    printf '%s\n' '[swift-hash]' 'swift_hash_path_suffix = tests' '[storage-policy:0]' 'name = three' 'default = yes' > "$SWIFT_DIR/rings/swift.conf"
    for server in "${SWIFT_SERVERS[@]::3}"; do
        port=${server#*:} server=$SWIFT_DIR/rings/${server%:*}.builder
        _swift_ring "$server" create 6 3 0
        for ((node = 1; node <= NODES; node++)); do _swift_ring "$server" add "r1z$node-$LOOPBACK.$node:$port/disk" 100; done
        _swift_ring "$server" rebalance
    done
}
_swift_ring() { "$SWIFT/bin/python" "$SWIFT/bin/swift-ring-builder" "$@" >> "$SWIFT_DIR/rings/log" 2>&1 || { tail -n 5 "$SWIFT_DIR/rings/log" >&2; fail "no ring"; }; }

# _swift_config NODE
_swift_config() {
    local node=$SWIFT_DIR/$1 server
    mkdir -p "$node/devices/disk" "$node/cache"
    : >> "$SWIFT_DIR/requests"
    for server in "${SWIFT_SERVERS[@]}"; do
        {
            # One process for each server.
            printf '%s\n' '[DEFAULT]' "bind_ip = $LOOPBACK.$1" "bind_port = ${server#*:}" 'workers = 0' 'user = root' "swift_dir = $SWIFT_DIR/rings" \
                "devices = $node/devices" 'mount_check = false' 'disable_fallocate = true' "log_udp_host = $LOOPBACK.1" 'log_udp_port = 6515' 'log_level = WARNING'
            case ${server%:*} in proxy) _swift_proxy ;; *) _swift_storage "${server%:*}" "$node/cache" ;; esac
        } > "$node/${server%:*}.conf"
    done
}
# _swift_storage SERVER CACHE
_swift_storage() {
    cat << CONF
[pipeline:main]
pipeline = healthcheck recon $1-server
[app:$1-server]
use = egg:swift#$1
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:recon]
use = egg:swift#recon
recon_cache_path = $2
[$1-replicator]
recon_cache_path = $2
sync_method = ssync
CONF
}
# _swift_proxy. The times are Swift's defaults: a node that stands still costs a request 10 s, until ten requests waited for it.
_swift_proxy() {
    local filter
    cat << CONF
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck proxy-logging cache listing_formats s3api tempauth copy slo versioned_writes proxy-logging proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 0.5
node_timeout = 10
error_suppression_limit = 10
error_suppression_interval = 60
[filter:proxy-logging]
use = egg:swift#proxy_logging
access_log_udp_host = $LOOPBACK.1
access_log_udp_port = 6514
access_log_level = INFO
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
[filter:cache]
use = egg:swift#memcache
memcache_servers = $LOOPBACK.1:6211
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_versioned_writes = true
CONF
    for filter in catch_errors gatekeeper healthcheck listing_formats copy slo; do printf '%s\n' "[filter:$filter]" "use = egg:swift#$filter"; done
}

# _swift_container NAME: makes it, by Swift's own face. S3 calls it a bucket.
_swift_container() {
    local answer token url
    answer=$(curl -sS -f --noproxy '*' -D - -o /dev/null -H 'X-Auth-User: test:tester' -H 'X-Auth-Key: testing' "http://$LOOPBACK.1:6080/auth/v1.0" | tr -d '\r')
    token=$(sed -n 's/^x-auth-token: //Ip' <<< "$answer") url=$(sed -n 's/^x-storage-url: //Ip' <<< "$answer")
    curl -sS -f --noproxy '*' -X PUT -H "X-Auth-Token: $token" "$url/$1"
}
