# Proves that in single-user Nix, with daemon and builds under one uid, a build can damage only its own copies of outputs,
# and does not write outside of its sandbox by the daemon's hand.
# (Texts for Nix are not expanded; variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
source "$(dirname "$0")/../lib/case.sh"
DAEMON_UID=0
NIX_BUILD_GROUP=
new_state
start_daemon # not warm_start: the next build has to hit on outputs of the first
mkdir "$WORK/outside"
small 1 --arg extra '{
  preCheck = "
    served=$(go list -export -f {{.Export}} ./word)
    [ -n \"$served\" ] && chmod u+w $served && echo evil > $served && echo changed
    mv /gocache/o /gocache/was && ln -s '"$WORK/outside"' /gocache/o && echo linked
    go build -gcflags=-N ./word || echo go itself may miss what it was given
  ";
  doCheck = true;
  checkPhase = "runHook preCheck";
}' > /dev/null
expect "the build could change its own copies" grep -q '^changed' "$WORK/small-1.log"
expect "the build put a link in the place of its outputs" grep -q '^linked' "$WORK/small-1.log"
expect "the daemon put nothing where the link leads" test -z "$(ls -A "$WORK/outside")"
expect "every object and record of the store is intact" store_is_whole
small 2 > /dev/null
expect "the next build hits" counts small-2 hits -gt 300
