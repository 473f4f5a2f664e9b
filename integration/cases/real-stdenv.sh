# Proves that the setup hook works with the real stdenv and the real buildGoModule, where they are available: REAL_STDENV names a
# Nix function { core, gosdk, overlay } that makes a package set of them from the host's tools, REAL_STDENV_CORE a checkout of
# nixpkgs.
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
expect "every object and record of the store is intact" store_is_whole
