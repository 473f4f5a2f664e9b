# The additive overlay: it changes no package, so that packages of a binary cache stay usable. It adds
#   nixGocacheprogHook       the setup hook: `nativeBuildInputs = [ nixGocacheprogHook ];` in a package
#   withGocacheprog PACKAGE  the package with the hook
#   buildGoModuleCached, buildGo126ModuleCached, buildGoApplicationCached and so on
#                            each existing builder of Go packages, with the hook
#   buildGoModuleLayered, buildGo126ModuleLayered and so on
#                            each existing buildGoModule, with the dependencies in a layer of their own, without hook and daemon
#   nix-gocacheprog          the programs, static; of an installed release those that layers need
#   nix-gocacheprog-dynamic  the programs that layers use
# Apply it after overlays that add builders (gomod2nix).
final: prev:
let
  builders = import ./builders.nix final prev;
  programs = import ./programs.nix final;
  cached = name: {
    name = "${name}Cached";
    value = builders.cached name;
  };
  layered = name: {
    name = "${name}Layered";
    value = builders.layered name;
  };
in
{
  # Do not change this name: the pre-build-hook recognises a build that wants the cache by it.
  nixGocacheprogHook = final.makeSetupHook { name = "nix-gocacheprog-hook"; } ./setup-hook.sh;
  inherit (builders) withGocacheprog;
  nix-gocacheprog = programs.static;
  nix-gocacheprog-dynamic = programs.dynamic;

  # A stdenv in which fixed-output derivations use the host's module proxy. It is for builders that fetch modules one by one
  # without phases, as gomod2nix does. gomod2nix' builder takes it as an argument:
  #   callPackage "${gomod2nix}/builder" { stdenvNoCC = nixGocacheprogFetching stdenvNoCC; ... }
  nixGocacheprogFetching =
    stdenv:
    stdenv
    // {
      mkDerivation =
        attrs:
        if builtins.isFunction attrs || !(attrs ? outputHash) then
          stdenv.mkDerivation attrs
        else
          stdenv.mkDerivation (
            attrs
            // {
              nativeBuildInputs = attrs.nativeBuildInputs or [ ] ++ [ final.nixGocacheprogHook ];
              # The stdenv's setup runs postHook at its end, also without phases.
              postHook = (attrs.postHook or "") + "\nnixGocacheprog preBuild\n";
            }
          );
    };
}
// builtins.listToAttrs (
  map cached builders.names ++ map layered (builtins.filter builders.isOfModules builders.names)
)
