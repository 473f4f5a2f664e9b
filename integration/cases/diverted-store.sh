# Proves that builds in a diverted store use the cache: their derivation is not at its path, and the daemon cannot see the end of
# the build at the path of its chroot.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
NIX_DIVERTED_STORE=$WORK/diverted
mkdir -p "$NIX_DIVERTED_STORE"
SDK=$(add_go_to_store)
small 1 > /dev/null
small 2 > /dev/null
expect "the second build hits" counts small-2 hits -gt 500
expect "it hits on outputs of the first build" counts small-2 packages_compiled -lt "$(build_field small-1 packages_compiled)"
expect "the directories of ended builds are removed" no_builds_left
