# Proves that a derivation with __structuredAttrs opts in by its inputs, and by NIX_GOCACHEPROG without the setup hook.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
small 1 > /dev/null
small 2 --arg extra '{ __structuredAttrs = true; }' > /dev/null
expect "structured attributes hit" counts small-2 hits -gt 500
expect "they hit on outputs of a build without them" counts small-2 packages_compiled -lt "$(build_field small-1 packages_compiled)"
small 3 --arg withHook false --arg extra '{ NIX_GOCACHEPROG = "1"; preBuild = "export GOCACHEPROG=/gocache-client"; }' > /dev/null
expect "the attribute alone opts in" counts small-3 hits -gt 500
