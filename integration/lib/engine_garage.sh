# A cluster of three nodes of Garage: built by `cargo install` once and kept by version (lib/kept.sh), which takes some 13 minutes of CPU time.
# Source it after lib/case.sh and lib/remote_engines.sh. The nodes end with the case's process namespace.
# shellcheck shell=bash disable=SC2034
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/kept.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/loopback.sh"

GARAGE_VERSION=2.5.0
NODES=3
declare -A NODE_PIDS=()
# Made up here, so that no output is to be read.
GARAGE_KEY=GK0102030405060708090a0b0c
GARAGE_SECRET=$(printf '0f%.0s' {1..32})

# start_garage COPIES: three nodes with so many copies of each object; sets S3_URL, S3_ADDRESS (the first node's) and S3_REGION; the credentials are
# in the variables that cacheprog-remote reads.
start_garage() {
    local copies=$1 node id
    need_tools openssl=openssl || fail "no openssl"
    kept "garage-$GARAGE_VERSION-$(uname -m)" _garage_make || fail "Garage cannot be built"
    loopback_net
    GARAGE_DIR=$WORK/garage-$copies
    mkdir -p "$GARAGE_DIR"
    openssl rand -hex 32 > "$GARAGE_DIR/secret"
    for ((node = 1; node <= NODES; node++)); do
        _garage_config "$node" "$copies"
        start_node "$node"
    done
    for ((node = 1; node <= NODES; node++)); do node_answers "$node"; done
    for ((node = 1; node <= NODES; node++)); do
        id=$(_garage "$node" node id -q)
        [ "$node" = 1 ] || _garage 1 node connect "$id" > /dev/null
        _garage 1 layout assign "${id%@*}" -z "zone$node" -c 10G > /dev/null
    done
    _garage 1 layout apply --version 1 > /dev/null
    _garage 1 key import --yes -n writer "$GARAGE_KEY" "$GARAGE_SECRET" > /dev/null
    _garage 1 bucket create packs > /dev/null
    _garage 1 bucket allow packs --read --write --owner --key "$GARAGE_KEY" > /dev/null
    S3_ADDRESS=http://$LOOPBACK.1:3900 S3_URL=s3://packs/cache S3_REGION=garage
    export NIX_GOCACHEPROG_REMOTE_ENDPOINT=$S3_ADDRESS NIX_GOCACHEPROG_REMOTE_REGION=$S3_REGION
    export NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID=$GARAGE_KEY NIX_GOCACHEPROG_REMOTE_SECRET_ACCESS_KEY=$GARAGE_SECRET
}

# start_node N, signal_node N SIGNAL, node_answers N: as in lib/engine_swift.sh.
start_node() {
    # No child of this shell, which would tell of its end.
    (RUST_LOG=garage=warn,garage_api_common=info "$KEPT/bin/garage" -c "$GARAGE_DIR/$1/garage.toml" server >> "$GARAGE_DIR/$1/log" 2>&1 < /dev/null & echo $! > "$GARAGE_DIR/$1/pid")
    NODE_PIDS[$1]=$(cat "$GARAGE_DIR/$1/pid")
}
signal_node() { kill "-$2" "${NODE_PIDS[$1]}"; }
node_answers() { listens_at "$LOOPBACK.$1:3900" "$LOOPBACK.$1:3901" || { tail -n 20 "$GARAGE_DIR/$1/log" >&2; fail "node $1 does not answer"; }; }

# engine_requests: prints the requests at the first node since the last call, by method.
engine_requests() {
    local seen
    seen=$(cat "$GARAGE_DIR/seen" 2> /dev/null || echo 0)
    wc -l < "$GARAGE_DIR/1/log" > "$GARAGE_DIR/seen"
    # Of a refusal another line, a warning, names the request as well.
    tail -n "+$((seen + 1))" "$GARAGE_DIR/1/log" | grep INFO | grep -oE ' [A-Z]+ /packs' | sort | uniq -c | awk '{ printf "%s %d  ", $2, $1 } END { print "" }'
}

# _garage NODE ARG...
_garage() { "$KEPT/bin/garage" -c "$GARAGE_DIR/$1/garage.toml" "${@:2}" 2>> "$GARAGE_DIR/$1/commands.log" || { tail -n 10 "$GARAGE_DIR/$1/commands.log" >&2; fail "garage ${*:2}"; }; }

# _garage_config NODE COPIES
_garage_config() {
    mkdir -p "$GARAGE_DIR/$1"
    : > "$GARAGE_DIR/$1/log"
    cat > "$GARAGE_DIR/$1/garage.toml" << CONF
metadata_dir = "$GARAGE_DIR/$1/metadata"
data_dir = "$GARAGE_DIR/$1/data"
db_engine = "lmdb"
replication_factor = $2
rpc_bind_addr = "$LOOPBACK.$1:3901"
rpc_public_addr = "$LOOPBACK.$1:3901"
rpc_secret = "$(cat "$GARAGE_DIR/secret")"

[s3_api]
s3_region = "garage"
api_bind_addr = "$LOOPBACK.$1:3900"
CONF
}

# _garage_make DIR. The libraries that it needs are bundled: the kept program runs where they are not installed. In /, so that no settings of
# this checkout count.
_garage_make() {
    (
        cd /
        export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0 CARGO_PROFILE_RELEASE_STRIP=symbols
        nice -n 19 env -u CARGO_TARGET_DIR cargo install garage --version "$GARAGE_VERSION" --locked --no-default-features --features lmdb,bundled-libs --root "$1"
    )
}
