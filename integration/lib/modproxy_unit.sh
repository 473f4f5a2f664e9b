# Part of case `booted-system`: the module proxy as a service, as docs/how-to/module-proxy.md sets it up. The machine has the network of
# all; the upstream is a directory behind Python's web server.
# shellcheck shell=bash disable=SC2154
echo "=== the module proxy as a service"
upstream_port=$((20000 + RANDOM % 10000))
proxy_url=http://127.0.0.1:$((upstream_port + 1))
module=example.test/m/@v/v1.0.0.mod
mkdir -p "$WORK/upstream/${module%/*}"
echo 'module example.test/m' > "$WORK/upstream/$module"
python3 -m http.server --bind 127.0.0.1 --directory "$WORK/upstream" "$upstream_port" > "$WORK/upstream.log" 2>&1 & upstream=$!
# fetched URL: prints what is there, within ten seconds.
fetched() { curl -sS --noproxy '*' --max-time 10 --retry 20 --retry-delay 0 --retry-max-time 10 --retry-connrefused "$1" 2> "$WORK/err"; }

on_machine cacheprogctl install --modproxy | sed 's/^/    /'
expect "a second installation writes nothing" test -z "$(on_machine cacheprogctl install --modproxy | grep -v '^systemctl\|^done')"
expect "it starts at each boot" on_machine systemctl is-enabled --quiet nix-gocacheprog-modproxy.service
is "it is healthy, at its default address" ok "$(fetched http://127.0.0.1:9416/healthz)"
sed -i "s|^GOPROXY=.*|GOPROXY=http://127.0.0.1:$upstream_port|
s|^MODPROXY_OPTIONS=.*|MODPROXY_OPTIONS=--listen localhost:${proxy_url##*:} --log-requests|" "$MACHINE/etc/nix-gocacheprog/modproxy.env"
on_machine systemctl restart nix-gocacheprog-modproxy.service
is "with another list and another address it fetches" 'module example.test/m' "$(fetched "$proxy_url/$module")"
sleep 1 # it is kept after the answer
kill "$upstream"
is "what it fetched is kept" 'module example.test/m' "$(fetched "$proxy_url/$module")"
expect "the status that users get has its figures" grep -qF "module proxy $proxy_url, up " <(as alice cacheprogctl status)
is "as JSON too" '{"cached": 1, "downloaded": 1}' "$(as alice cacheprogctl status --json | python3 -c 'import json, sys
counts = json.load(sys.stdin)["modproxy"]["requests"]
print(json.dumps({result: count for result, count in counts.items() if count}))')"
expect "the journal has a line for each request" on_machine sh -c \
    'journalctl --no-pager -u nix-gocacheprog-modproxy.service | grep -q "example.test/m/@v/v1.0.0.mod: cached, 22 bytes, "'
proxy_shows() { on_machine systemctl show -P "$1" nix-gocacheprog-modproxy.service; }
expect "it has a user of its own" test "$(proxy_shows UID)" -ge 61184 -a "$(proxy_shows UID)" != "$(on_machine systemctl show -P UID nix-gocacheprog.service)"
expect "its modules are where that user alone gets to" test -d "$MACHINE/var/cache/private/nix-gocacheprog-modproxy/store"
is "of the machine it sees no home and writes nothing else" "yes strict yes" "$(proxy_shows ProtectHome) $(proxy_shows ProtectSystem) $(proxy_shows NoNewPrivileges)"
on_machine cacheprogctl uninstall --modproxy --yes | sed 's/^/    /'
expect "removed alone, it leaves the daemon's installation" on_machine cacheprogctl status
expect "and nothing of its own" test -z "$(all_files | grep modproxy | grep -v '^usr/local/\|^opt/bin')"
