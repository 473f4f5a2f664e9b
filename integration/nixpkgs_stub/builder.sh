# The builder script of every derivation of the stub's stdenv (run as `bash -e builder.sh`): loads the derivation's
# attributes when they are structured, then the stdenv's setup, then runs the phases.
# shellcheck shell=bash source=/dev/null disable=SC2154
if [ -e "${NIX_ATTRS_SH_FILE:-}" ]; then
    source "$NIX_ATTRS_SH_FILE"
elif [ -e .attrs.sh ]; then
    source .attrs.sh
fi
source "$stdenv/setup"
genericBuild
