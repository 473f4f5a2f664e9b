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
} // builtins.listToAttrs (map cached builders.names)
