# Attributes of a package whose names would change its layer with each edit or version. A function for overrideAttrs.
{ lib }:
finalAttrs: old:
let
  # The name of goModules has the package's version in it, and go.sum's hash where that is to make it again.
  isRenamed =
    (old ? goModules) && (old.goModules ? overrideAttrs) && (finalAttrs.goSum or null) == null;
in
lib.optionalAttrs (old ? src) { src = import ../source-name.nix old.src; }
// lib.optionalAttrs (old ? goModules) {
  goModules =
    if !isRenamed then
      old.goModules
    else
      old.goModules.overrideAttrs (modules: {
        name = "${lib.getName finalAttrs.finalPackage}-go-modules";
        # nixpkgs fetches modules with the package's `env`, and layers are made of modules.
        env = removeAttrs (modules.env or { }) [ "GOCACHEPROG" ];
      });
}
