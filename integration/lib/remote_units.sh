# Part of case `booted-system`: a remote store through the installed units, as docs/how-to/remote-store.md sets it up on Debian. The store has to
# be empty: the first build fills both.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2154
source "$CASE_DIR/lib/remote_daemon.sh"

echo "=== a remote store"
# connects USER: whether that user can connect to the socket of cacheprog-remote.
connects() { as "$1" python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("/run/nix-gocacheprog-remote.sock")'; }
# tells TEXT: waits until the status of the remote store has it, at most 20 seconds.
tells() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        case $(remote_field trouble) in *"$1"*) return 0 ;; esac
        sleep 0.2
    done
    return 1
}
expect "its socket is not for users" refused connects alice
# The settings have no [remote]: it cannot start.
for ((tries = 0; tries < 10; tries++)); do
    connects root
    sleep 0.2
done
starts=$(on_machine journalctl --no-pager -u nix-gocacheprog-remote.service | grep -c 'the settings have no \[remote\]')
expect "a service that fails starts once a request: $starts" test "$starts" -ge 1 -a "$starts" -le 10
expect "its socket stays" on_machine systemctl is-active --quiet nix-gocacheprog-remote.socket

start_s3_double
private=$MACHINE/etc/nix-gocacheprog
key=$(on_machine cacheprog-remote keygen ci-1 --secret-key-file /etc/nix-gocacheprog/remote-secret-key)
cp -a "$MACHINE/etc/nix-gocacheprog.toml" "$WORK/settings-before"
printf '%s\n' '[remote]' "url = '$S3_URL'" "endpoint = '$S3_ADDRESS'" "region = 'eu-test-1'" "trusted-public-keys = ['$key']" 'write = "all"' \
    >> "$MACHINE/etc/nix-gocacheprog.toml"
on_machine systemctl restart nix-gocacheprog.service
# Both builds have one name: what follows a hyphen and begins with a digit is the version.
nix_small root 7 "${quick[@]}" > /dev/null
expect "without credentials the status tells that the store refuses" tells 403
(umask 077 && printf '%s\n' '[default]' 'aws_access_key_id = writer' 'aws_secret_access_key = secret' > "$private/remote-credentials")
on_machine systemctl restart nix-gocacheprog.service
expect "what a trusted user's build used is put" uploaded 1

shows() { on_machine systemctl show -P "$2" "nix-gocacheprog$1.service"; }
echo "    uid of the daemon: $(shows '' UID), of cacheprog-remote: $(shows -remote UID)"
expect "cacheprog-remote has a user of its own" test "$(shows -remote UID)" -ge 61184 -a "$(shows -remote UID)" != "$(shows '' UID)"
is "the daemon has no network" "yes AF_UNIX" "$(shows '' PrivateNetwork) $(shows '' RestrictAddressFamilies)"
is "cacheprog-remote has one" no "$(shows -remote PrivateNetwork)"

state=/var/cache/private/nix-gocacheprog
on_machine systemctl stop nix-gocacheprog.service
on_machine mv "$state" /var/cache/private/kept
nix_small root 8 "${quick[@]}" > /dev/null
expect "a build with an empty store compiles next to nothing" counts small-8 packages_compiled -lt 5
fetched=$(remote_field fetched)
expect "what it asked for came from the remote store: $fetched entries" test "$fetched" -gt 100

# As before, for what comes.
on_machine systemctl stop nix-gocacheprog.service
on_machine rm -rf "$state"
on_machine mv /var/cache/private/kept "$state"
mv "$WORK/settings-before" "$MACHINE/etc/nix-gocacheprog.toml"
rm "$private/remote-credentials" "$private/remote-secret-key"
