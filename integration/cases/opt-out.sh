# Without the hook, without the daemon, without our pre-build-hook in nix.conf or with NIX_GOCACHEPROG=0 a derivation
# builds as it always did, to the same bytes as with the cache.
# Texts for Nix stay unexpanded, and variables are for the sourced files:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"

# The program with C in it is linked with a path to its own output, so no two derivations agree on it.
programs() { (cd "$1/bin" && sha256sum ./small); }

quick="{ $NO_TESTS }"
plain=$(small plain --arg withHook false --arg extra "$quick")
no_daemon=$(small no-daemon --arg extra "$quick")
start_daemon
no_hook=$(PRE_BUILD_HOOK='' small no-hook --arg extra "$quick")
switched_off=$(small switched-off --arg extra "{ $NO_TESTS "'NIX_GOCACHEPROG = "0"; postInstall = "ls -d /gocache* > $out/seen 2>&1 || true"; }')
expect "none of them asked the daemon for a build" test -z "$(ls -A "$STATE/builds")"
cold=$(small cold --arg extra '{ postInstall = "ls -d /gocache* > $out/seen 2>&1 || true"; }')
warm=$(small warm)
expect "the cached build had the mounts" grep -q /gocache-client "$cold/seen"
if grep -q /gocache- "$switched_off/seen"; then fail "NIX_GOCACHEPROG=0 had the mounts"; fi
expect "the warm build hit" counts small-warm hits -gt 500
for other in "$no_daemon" "$no_hook" "$switched_off" "$cold" "$warm"; do
    expect "the same programs in ${other##*-small-}" diff <(programs "$plain") <(programs "$other")
done
# A set GOCACHEPROG stays: this one is no program, so go would fail if it were used in place of ours, and ours if not kept.
own=$(small own --arg extra '{ preConfigure = "export GOCACHEPROG=$NIX_BUILD_TOP/mine"; postConfigure = "echo $GOCACHEPROG > $NIX_BUILD_TOP/kept; unset GOCACHEPROG"; postInstall = "cp $NIX_BUILD_TOP/kept $out"; }')
expect "a GOCACHEPROG of the package's own stays" grep -q '/mine$' "$own/kept"
expect "the store is whole" store_is_whole
