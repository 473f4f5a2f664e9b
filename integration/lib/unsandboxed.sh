# Part of case `booted-system`: the host's socket. The units are those of the module with `host.enable`; what the module does besides
# (a user, the link) is done by hand. Builds run with `sandbox = false`, and find the daemon by the setup hook.
# shellcheck shell=bash disable=SC2016,SC2154

echo "=== without a sandbox"
units=$MACHINE/etc/systemd/system
cp -a "$units" "$WORK/units-before"
for name in nix-gocacheprog.service nix-gocacheprog.socket nix-gocacheprog-host.socket; do
    on_machine nix-instantiate --eval --strict --json -E "(import /opt/project/nixos/render.nix (import /opt/project/nixos/units.nix { program = \"/usr/local/libexec/nix-gocacheprog/cacheprogd\"; host = true; })).\"$name\"" |
        sed 's/^"//; s/"$//; s/\\"/"/g; s/\\n/\n/g' > "$units/$name"
done
# Builds of all users run as build users here: their entries are for no other build, unless the settings say so.
cp -a "$MACHINE/etc/nix-gocacheprog.toml" "$WORK/settings-before"
sed -i 's/^writers = .*/writers = ["*"]/' "$MACHINE/etc/nix-gocacheprog.toml"
on_machine useradd --system nix-gocacheprog
on_machine ln -s /usr/local/libexec/nix-gocacheprog/cacheprog-client /gocache-client
on_machine systemctl daemon-reload
on_machine systemctl stop nix-gocacheprog.service nix-gocacheprog.socket
on_machine systemctl start nix-gocacheprog.socket nix-gocacheprog-host.socket
sed -i 's/^sandbox = true/sandbox = false/' "$MACHINE/etc/nix/nix.conf"
on_machine systemctl restart nix-daemon.service

for version in unsandboxed-1 unsandboxed-2; do nix_small alice "$version" "${quick[@]}" > /dev/null; done
expect "a build without a sandbox hits" counts small-unsandboxed-2 hits -gt 100
session=/var/cache/nix-gocacheprog/builds/$(build_field small-unsandboxed-2 id)/view/sock
on_machine test -S "$session"
# hello USER SESSION: prints the daemon's answer to that user at that socket.
hello() { as "$1" python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b"{\"version\":3,\"toolchain\":{\"goroot\":\"/go\"}}\n"); print(s.recv(999))' "$2" 2> /dev/null; }
own=$(as alice bash -c 'eval "$(name=own /gocache-client env)"; echo "$NIX_GOCACHEPROG_SESSION"')
expect "a user's own session serves" grep -q '"outputs":"/' <(hello alice "$own")
for other in "$own" "$session"; do
    expect "the session of one user does not serve another" refused grep -q outputs <(hello bob "$other")
done
expect "a user cannot list the sessions" refused as bob ls /var/cache/nix-gocacheprog/builds
as alice bash -c 'cd && mkdir -p m && cd m && printf "module m\ngo 1.24\n" > go.mod && printf "package main\nimport \"fmt\"\nfunc main() { fmt.Println(1) }\n" > m.go &&
    eval "$(name=shell /gocache-client env)" && PATH=$PATH:/opt/go/bin GOFLAGS=-trimpath go build -o m . && echo "$GOCACHEPROG $NIX_GOCACHEPROG_SESSION"'
expect "go commands of a shell are served as well" counts shell puts -gt 20

on_machine systemctl stop nix-gocacheprog.service nix-gocacheprog.socket nix-gocacheprog-host.socket
on_machine rm "/etc/systemd/system/nix-gocacheprog-host.socket" /gocache-client
cp -a "$WORK/units-before/nix-gocacheprog".* "$units/"
mv "$WORK/settings-before" "$MACHINE/etc/nix-gocacheprog.toml"
on_machine systemctl daemon-reload
on_machine rm -rf /var/cache/nix-gocacheprog /var/cache/private/nix-gocacheprog
on_machine userdel nix-gocacheprog
on_machine rm -rf /home/alice/m /home/alice/.cache/go-build
on_machine systemctl start nix-gocacheprog.socket
sed -i 's/^sandbox = false/sandbox = true/' "$MACHINE/etc/nix/nix.conf"
on_machine systemctl restart nix-daemon.service
