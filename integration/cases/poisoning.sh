# Proves that a user who may only submit derivations decides nothing of what other users' builds are given: an archive that such a
# user puts for an action is served to builds of that user alone, also where the hostile build comes first. With several users of one nix-daemon.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
export NIX_BUILD_USERS=4
source "$(dirname "$0")/../lib/case.sh"
need_tools python3=python3-minimal
chmod 755 "$WORK" "$NIX_WORK"
SERVE_ARGS=(--host-socket "$WORK/host/sock")
mkdir "$WORK/host"
chown "$DAEMON_UID" "$WORK/host"
start_daemon
export NIX_EXTRA_CONFIG='experimental-features = nix-command ca-derivations impure-derivations'
start_nix_daemon
chmod 666 "$NIX_WORK/daemon.sock"
mkdir "$WORK/programs"
(cd "$CASE_DIR/programs/poisoncache" && CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOCACHEPROG='' go build -o "$WORK/programs/poisoncache" .)
cp "$CASE_DIR/nix/poison.nix" "$WORK/programs"
HOSTILE=30101 HONEST=30102

# by UID STAMP ARG...: that user builds; the program's path.
by() {
    local uid=$1 stamp=$2
    shift 2
    mkdir -p "$WORK/home-$uid"
    chown "$uid" "$WORK/home-$uid"
    HOME=$WORK/home-$uid TMPDIR=$WORK/home-$uid NIX_REMOTE=daemon NIX_DAEMON_SOCKET_PATH="$NIX_WORK/daemon.sock" \
        setpriv --reuid "$uid" --regid "$uid" --clear-groups nix-build --no-out-link --extra-experimental-features "ca-derivations impure-derivations" "$WORK/programs/poison.nix" \
        --argstr gosdk "$SDK" --argstr stamp "$stamp" "$@" 2> "$WORK/$stamp.log" || { cat "$WORK/$stamp.log" >&2; return 1; }
}
# poisons UID STAMP ARG...: the same with the hostile program, whose own build may fail.
poisons() {
    by "$@" --arg poisoncache "$WORK/programs/poisoncache" > "$WORK/$2.out" 2> "$WORK/$2.err" || true
    expect "the hostile build $2 puts an archive of its own" grep -q 'poisoncache: put .* reply S' "$WORK/$2.log"
}
# says DESCRIPTION UID STAMP TEXT: what the program of that user's build prints.
says() {
    local program
    program=$(by "$2" "$3")
    is "$1" "$4" "$("$program" 2>&1 | head -n 1)"
}
POISON='POISON: code of another user'

# Who comes first decides for builds of the same user: it has to be seen that the attack works there.
poisons "$HOSTILE" first
says "the same user's other build has the archive" "$HOSTILE" own "$POISON"
says "another user's build does not" "$HONEST" other honest
says "neither does root's" 0 trusted honest
says "an honest archive that was there first stays, for others" "$HONEST" later honest
expect "the user's entries are for that user" test "$(shared_with poison-own)" = "user $HOSTILE"
expect "root's are for all" test "$(shared_with poison-trusted)" = "all users"

# What has a network puts nothing for others, root's neither.
for kind in fixed impure; do
    poisons 0 "$kind" --argstr kind "$kind"
    says "after a build of root's with a network ($kind)" "$HONEST" "after-$kind" honest
    expect "its entries are for no other build" grep -q 'no other build: it has a network' <<< "$(shared_with "poison-$kind")"
done

# At the host's socket, as a go command outside of sandboxes: the entries are for the user of the process.
cat > "$WORK/programs/host-poison" << 'SCRIPT'
#!/bin/bash
# host-poison SOCKET POISONCACHE: puts an archive of its own for package errors, in a session at the host's socket.
set -euo pipefail
export GOCACHE=$HOME/cache GOPATH=$HOME/go GOFLAGS=-trimpath CGO_ENABLED=0 GOPROXY=off GOTELEMETRY=off GOENV=off GOTOOLCHAIN=local
directory=$(python3 -c 'import json, socket, sys
stream = socket.socket(socket.AF_UNIX)
stream.connect(sys.argv[1])
stream.sendall(b"{\"version\":3,\"request\":{\"register\":{\"derivation\":\"host-poison\"}}}\n")
print(json.loads(stream.makefile().readline())["registered"]["directory"])' "$1")
ln -s "$directory" "$HOME/session" # the whole path may be too long for a socket
mkdir -p "$HOME/program" "$HOME/cache2"
cd "$HOME/program"
printf 'module example.test/program\n\ngo 1.21\n' > go.mod
goroot=$(go env GOROOT)
sed 's|^func New(text string) error {|&\n\tprintln("POISON: code of another user")|' "$goroot/src/errors/errors.go" > "$HOME/errors.go"
printf '{"Replace": {"%s/src/errors/errors.go": "%s"}}' "$goroot" "$HOME/errors.go" > "$HOME/overlay.json"
archive=$(GOCACHEPROG='' go list -export -overlay "$HOME/overlay.json" -f '{{.Export}}' errors)
GOCACHE=$HOME/cache2 GOCACHEPROG="$2 $HOME/session/sock $archive errors/join.go $HOME/cache2" go build errors
SCRIPT
chmod 755 "$WORK/programs/host-poison"
stop_daemon
rm -rf "$STATE/records" "$STATE/objects" # everything above is asked for again
start_daemon
mkdir -p "$WORK/home-$HOSTILE"
HOME=$WORK/home-$HOSTILE TMPDIR=$WORK/home-$HOSTILE PATH=$SDK/bin:$SDK/share/go/bin:$PATH setpriv --reuid "$HOSTILE" --regid "$HOSTILE" --clear-groups \
    "$WORK/programs/host-poison" "$WORK/host/sock" "$WORK/programs/poisoncache" 2> "$WORK/host-poison.log" || { cat "$WORK/host-poison.log" >&2; exit 1; }
expect "a go command of the host puts an archive of its own" grep -q 'poisoncache: put .* reply S' "$WORK/host-poison.log"
says "the same user's build has it" "$HOSTILE" own-after-host "$POISON"
says "another user's build does not" "$HONEST" other-after-host honest
says "neither does root's" 0 trusted-after-host honest
