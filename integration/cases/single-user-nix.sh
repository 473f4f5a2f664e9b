# Single-user Nix: daemon and builds under one uid. What a build is shown are copies, so that it can spoil its own only.
# Texts for Nix stay unexpanded, and variables are for the sourced files:
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
source "$(dirname "$0")/../lib/case.sh"
DAEMON_UID=0
NIX_BUILD_GROUP=
new_state
start_daemon # and not warm_start: what the next build hits on, the first one put
small 1 --arg extra '{
  preCheck = "
    served=$(go list -export -f {{.Export}} ./word)
    [ -n \"$served\" ] && chmod u+w $served && echo evil > $served && echo spoiled
  ";
  doCheck = true;
  checkPhase = "runHook preCheck";
}' > /dev/null
expect "the build could spoil what it was shown" grep -q '^spoiled' "$WORK/small-1.log"
expect "the store is whole all the same" store_is_whole
small 2 > /dev/null
expect "the next build hits" counts small-2 hits -gt 300
