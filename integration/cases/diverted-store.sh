# Builds in a store in another place: the derivation is not where it is named, and the daemon cannot tell the end of the
# build from a path.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
NIX_DIVERTED_STORE=$WORK/diverted
mkdir -p "$NIX_DIVERTED_STORE"
SDK=$(add_go_to_store)
small 1 > /dev/null
small 2 > /dev/null
expect "the second build hits" counts small-2 hits -gt 500
expect "also on what the first one put" counts small-2 packages_compiled -lt "$(build_field small-1 packages_compiled)"
expect "the directories of ended builds are removed" no_builds_left
