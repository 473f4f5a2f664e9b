# The setup hook under the real stdenv and the real buildGoModule, where they can be had: REAL_STDENV names a Nix function
# { core, gosdk, overlay } that gives a package set of them around the host's tools, REAL_STDENV_CORE its checkout of nixpkgs.
# shellcheck shell=bash source-path=SCRIPTDIR
if [ -z "${REAL_STDENV:-}" ]; then
    echo "REAL_STDENV is not set: skipped"
    exit 0
fi
source "$(dirname "$0")/../lib/case.sh"
start_daemon
cat > "$WORK/real.nix" << NIX
{ version }:
import $CASE_DIR/nix/small.nix {
  gosdk = "$SDK"; inherit version; withHook = true;
  extra = {
    pkgs = import $REAL_STDENV { core = $REAL_STDENV_CORE; gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix; };
    CGO_ENABLED = 0;
  };
}
NIX
for version in 1 2; do nixbuild "$WORK/real.nix" --argstr version "$version"; done
expect "the second build hits" counts small-2 hits -gt 500
expect "the store is whole" store_is_whole
