# Proves that a derivation builds as before without the setup hook, without the daemon, without our pre-build-hook in nix.conf, or
# with NIX_GOCACHEPROG=0, and that its programs are identical to those built with the cache.
# (Texts for Nix are not expanded; variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"

# The program with C contains a path to its own output, so it differs between derivations.
programs() { (cd "$1/bin" && sha256sum ./small); }

quick="{ $NO_TESTS }"
plain=$(small plain --arg withHook false --arg extra "$quick")
no_daemon=$(small no-daemon --arg extra "$quick")
start_daemon
no_hook=$(PRE_BUILD_HOOK='' small no-hook --arg extra "$quick")
switched_off=$(small switched-off --arg extra "{ $NO_TESTS "'NIX_GOCACHEPROG = "0"; postInstall = "ls -d /gocache* > $out/seen 2>&1 || true"; }')
expect "none of these builds was registered" test -z "$(ls -A "$STATE/builds")"
cold=$(small cold --arg extra '{ postInstall = "ls -d /gocache* > $out/seen 2>&1 || true"; }')
warm=$(small warm)
expect "the cached build had the mounts" grep -q /gocache-client "$cold/seen"
if grep -q /gocache- "$switched_off/seen"; then fail "NIX_GOCACHEPROG=0 had the mounts"; fi
expect "the warm build hit" counts small-warm hits -gt 500
for other in "$no_daemon" "$no_hook" "$switched_off" "$cold" "$warm"; do
    expect "the same programs in ${other##*-small-}" diff <(programs "$plain") <(programs "$other")
done
# A GOCACHEPROG that is already set stays. This one is no program: go would fail if it used it.
own=$(small own --arg extra '{ preConfigure = "export GOCACHEPROG=$NIX_BUILD_TOP/mine"; postConfigure = "echo $GOCACHEPROG > $NIX_BUILD_TOP/kept; unset GOCACHEPROG"; postInstall = "cp $NIX_BUILD_TOP/kept $out"; }')
expect "a GOCACHEPROG that the package sets stays" grep -q '/mine$' "$own/kept"
expect "every object and record of the store is intact" store_is_whole
