# Proves that Nix killed twenty times in the middle of a build leaves no directory, mount, process or descriptor of the cache behind.
# (Its chroots stay; leftover-chroot.sh kills a nix-daemon.)
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start

cat > "$WORK/killed.nix" << NIX
{ n }:
let pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix; };
in pkgs.stdenv.mkDerivation {
  name = "killed-\${n}";
  nativeBuildInputs = [ pkgs.go pkgs.nixGocacheprogHook ];
  buildCommand = ''
    export GOCACHE=\$TMPDIR/gc GOPATH=\$TMPDIR/go GOTOOLCHAIN=local CGO_ENABLED=0 GOCACHEPROG=/gocache-client
    printf 'module m\ngo 1.24\n' > go.mod
    go build internal/goos
    sleep 1000 | GOROOT=${SDK} /gocache-client > session & # a session that stays
    until grep -q KnownCommands session; do sleep 0.05; done
    echo waiting
    sleep 1000
  '';
}
NIX
descriptors() { find "/proc/$DAEMON_PID/fd" -type l | wc -l; }
threads() { find "/proc/$DAEMON_PID/task" -mindepth 1 -maxdepth 1 | wc -l; }
# Of all processes here: sandboxes have mounts of their own.
cache_mounts() { cat /proc/[0-9]*/mountinfo 2> /dev/null | grep -c ' /gocache' || true; }
clients() { pgrep -cx gocache-client || true; }
before="$(descriptors) descriptors, $(threads) threads"

for n in {1..20}; do
    nixbuild "$WORK/killed.nix" --argstr n "$n" > /dev/null 2> "$WORK/killed-$n.log" & build=$!
    for ((tries = 0; tries < 600; tries++)); do
        if grep -qs '^waiting' "$WORK/killed-$n.log"; then break; fi
        sleep 0.05
    done
    grep -q '^waiting' "$WORK/killed-$n.log" || { tail "$WORK/killed-$n.log" >&2; fail "build $n did not come to its middle"; }
    if [ "$n" = 1 ]; then expect "what is counted is there: a client and a mount" test "$(clients)" -ge 1 -a "$(cache_mounts)" -ge 1; fi
    mapfile -t nix < <(pgrep -x nix-build) # this process namespace is the case's own
    kill -KILL "${nix[@]}"
    wait "$build" 2> /dev/null || true
done
expect "all twenty were registered" test "$(grep -c 'build killed-[0-9]* .* registered' "$WORK/daemon.log")" = 20
echo "    after the kills: $(descriptors) descriptors, $(threads) threads, $(find "$STATE/builds" -mindepth 1 -maxdepth 1 | wc -l) directories, $(cache_mounts) mounts, $(clients) clients"
small after-kills --arg extra "{ $NO_TESTS }" > /dev/null
expect "a build after them hits" counts small-after-kills hits -gt 500
expect "the directories of all builds are removed" no_builds_left
for ((tries = 0; tries < 100; tries++)); do
    if [ "$(descriptors) descriptors, $(threads) threads" = "$before" ]; then break; fi
    sleep 0.1
done
is "the daemon has what it had before" "$before" "$(descriptors) descriptors, $(threads) threads"
expect "nothing is left unfinished" test -z "$(ls -A "$STATE/tmp")"
expect "no client is left" test "$(clients)" = 0
is "mounts of builds' directories" 0 "$(cache_mounts)"
expect "every object and record of the store is intact" store_is_whole
