# Proves that a user who may only submit derivations decides nothing of what other users' builds are given: an archive that such a
# user puts for an action is served to builds of that user alone, also where the hostile build comes first. With several users of one nix-daemon.
# shellcheck shell=bash source-path=SCRIPTDIR
export NIX_BUILD_USERS=4
source "$(dirname "$0")/../lib/case.sh"
chmod 755 "$WORK" "$NIX_WORK"
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
