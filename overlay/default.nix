# The additive overlay: it changes no package, so that what a binary cache has stays usable. It adds
#   nixGocacheprogHook       the setup hook: `nativeBuildInputs = [ nixGocacheprogHook ];` in a package
#   withGocacheprog PACKAGE  the package with that
#   buildGoModuleCached, buildGo126ModuleCached, buildGoApplicationCached and so on
#                            each builder of Go packages that is there, with that
# It goes after overlays that bring builders (gomod2nix).
final: prev:
let
  builders = import ./builders.nix final prev;
  cached = name: { name = "${name}Cached"; value = builders.cached name; };
in
{
  # The pre-build-hook knows a build that wants the cache by this name: frozen.
  nixGocacheprogHook = final.makeSetupHook { name = "nix-gocacheprog-hook"; } ./setup-hook.sh;
  inherit (builders) withGocacheprog;

  # For what fetches modules one by one without phases, as gomod2nix does: a stdenv whose fixed outputs have the host's module
  # proxy. gomod2nix' builder takes it as an argument:
  #   callPackage "${gomod2nix}/builder" { stdenvNoCC = nixGocacheprogFetching stdenvNoCC; ... }
  nixGocacheprogFetching = stdenv: stdenv // {
    mkDerivation = attrs:
      if builtins.isFunction attrs || !(attrs ? outputHash) then stdenv.mkDerivation attrs
      else stdenv.mkDerivation (attrs // {
        nativeBuildInputs = attrs.nativeBuildInputs or [ ] ++ [ final.nixGocacheprogHook ];
        # The stdenv's setup ends with it, whoever sources that.
        postHook = (attrs.postHook or "") + "\nnixGocacheprog preBuild\n";
      });
  };
} // builtins.listToAttrs (map cached builders.names)
