# Part of case `booted-system`: who asks for builds is known under the units of Debian's Nix and of ours, and decides whom the entries are
# for. The store has to be empty: the hostile build comes first. (case `poisoning` has more ways of it.)
# shellcheck shell=bash disable=SC2154

echo "=== who asks for builds"
sdk=$(as alice env NIX_REMOTE=daemon nix-instantiate --eval --read-write-mode --argstr goroot /opt/go /opt/project/integration/nixpkgs_stub/gosdk.nix 2> /dev/null | tr -d '"')
# asked USER STAMP NIX-ARG...: that user builds the program of nix/poison.nix; its path.
asked() {
    local user=$1 stamp=$2
    shift 2
    as "$user" env "PATH=/opt/bin/ssh:$PATH" NIX_REMOTE=daemon nix-build --no-out-link /opt/project/integration/nix/poison.nix --argstr gosdk "$sdk" --argstr stamp "$stamp" "$@" 2> "$WORK/asked-$stamp.log"
}
# says DESCRIPTION TEXT USER STAMP [NIX-ARG...]: what the program prints.
says() {
    local program
    program=$(asked "${@:3}") || { tail -n 30 "$WORK/asked-$4.log" >&2; return 1; }
    is "$1" "$2" "$("$MACHINE$program" 2>&1 | head -n 1)"
}
user_of() { echo "user $(on_machine id -u "$1")"; }

asked alice first --arg poisoncache /opt/bin/poisoncache > /dev/null || true
expect "a hostile build puts an archive of its own" grep -q 'poisoncache: put .* reply S' "$WORK/asked-first.log"
says "the same user's other build has the archive" 'POISON: code of another user' alice own
says "another user's build does not" honest bob other
says "neither does root's" honest root trusted
is "entries are for the user who asked the nix-daemon" "$(user_of alice) $(user_of bob)" "$(shared_with poison-own) $(shared_with poison-other)"
is "root's are for all" "all users" "$(shared_with poison-trusted)"

# By ssh: Nix' own protocol over a pipe, as another machine sends it. Of a user it goes on to the nix-daemon, root's process builds.
for user in bob root; do
    asked "$user" "ssh-ng-$user" --store ssh-ng://there > /dev/null || { tail -n 30 "$WORK/asked-ssh-ng-$user.log" >&2; fail "ssh-ng does not work"; }
    is "by ssh, entries are for the user of the connection" "$(user_of "$user")" "$(shared_with "poison-ssh-ng-$user")"
done

# Its hash is not what is expected: it fails after it was built.
asked root fixed --argstr kind fixed > /dev/null && fail "the hash is right"
is "a fixed-output build shares nothing" "no other build: it has a network" "$(shared_with poison-fixed)"

doctor_finds() { grep -qF "$1" <(on_machine cacheprogctl doctor 2> /dev/null); }
expect "doctor: the requesters are known" doctor_finds "good who asks for builds: known"
expect "doctor: the writers are those that install wrote" doctor_finds "good users whose builds are shared with all users: root"
