# Engines that a remote store can be on, on loopback: nginx with WebDAV (Debian), and integration/s3_double. Source it after
# lib/case.sh, whose end ends them: a case has a process namespace of its own. Reads WORK and BIN.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/tools.sh"

# remote_programs: cacheprog-remote and s3-double, in BIN.
remote_programs() {
    if [ -z "${TEST_BIN:-}" ]; then (cd "$ROOT_DIR" && cargo build --release --locked --quiet -p cacheprog-remote -p s3_double); fi
    install -D -m 755 -t "$BIN" "${TEST_BIN:-$(release_dir "$ROOT_DIR")}"/{cacheprog-remote,s3-double}
}

# first_line FILE: waits for it.
first_line() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if [ -s "$1" ] && [ "$(wc -l < "$1")" -ge 1 ]; then head -n 1 "$1"; return 0; fi
        sleep 0.05
    done
    fail "nothing came in $1"
}

# start_nginx: sets NGINX_URL. Who reads needs no password, who writes does; it is in the variables that cacheprog-remote reads.
start_nginx() {
    local port
    need_tools nginx=nginx-light curl=curl || fail "no nginx"
    need_files /usr/lib/nginx/modules/ngx_http_dav_ext_module.so=libnginx-mod-http-dav-ext
    port=$(free_port)
    mkdir -p "$WORK/nginx/files" "$WORK/nginx/temporary"
    printf 'writer:{PLAIN}secret\n' > "$WORK/nginx/passwords"
    cat > "$WORK/nginx/nginx.conf" << EOF
load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
user root;
daemon off;
pid $WORK/nginx/pid;
error_log $WORK/nginx/errors;
events {}
http {
    access_log $WORK/nginx/log;
    client_body_temp_path $WORK/nginx/temporary;
    client_max_body_size 1g;
    server {
        listen 127.0.0.1:$port;
        root $WORK/nginx/files;
        location / {
            dav_methods PUT DELETE;
            create_full_put_path on;
            limit_except GET { auth_basic remote; auth_basic_user_file $WORK/nginx/passwords; }
        }
    }
}
EOF
    nginx -c "$WORK/nginx/nginx.conf" -e "$WORK/nginx/errors" &
    wait_for_port "$port"
    NGINX_URL=http://127.0.0.1:$port/cache
    export NIX_GOCACHEPROG_REMOTE_USERNAME=writer NIX_GOCACHEPROG_REMOTE_PASSWORD=secret
}

# start_s3_double: sets S3_URL and S3_ADDRESS. The key `reader` may read alone; S3_ADDRESS/dav/ has the same objects for user:secret. Lists have
# two names a page.
start_s3_double() {
    "$BIN/s3-double" --memory --bucket packs --region eu-test-1 --key writer:secret:all --key reader:secret:read \
        --webdav-basic user:secret:all --page-names 2 --listen 127.0.0.1:0 > "$WORK/s3-address" 2> "$WORK/s3.log" &
    S3_ADDRESS=http://$(first_line "$WORK/s3-address")
    S3_URL=s3://packs/cache
    export NIX_GOCACHEPROG_REMOTE_ENDPOINT=$S3_ADDRESS NIX_GOCACHEPROG_REMOTE_REGION=eu-test-1
    export NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID=writer NIX_GOCACHEPROG_REMOTE_SECRET_ACCESS_KEY=secret
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
wait_for_port() {
    local tries
    for ((tries = 0; tries < 200; tries++)); do
        if (exec 9<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; then return 0; fi
        sleep 0.05
    done
    fail "nothing listens on port $1"
}
