# Attributes of a package whose names would change its layer with each edit or version. A function for overrideAttrs.
{ lib }:
finalAttrs: old:
let
  # A flake's `./.` is a path like /nix/store/HASH-source. Nix copies it as HASH2-HASH-source, and stdenv unpacks it into HASH-source.
  hashed = builtins.match "[0-9a-z]{32}-(.*)" (baseNameOf (toString old.src));
  isHashedPath = builtins.isPath (old.src or null) && hashed != null;
  # The name of goModules has the package's version in it, and go.sum's hash where that is to make it again.
  isRenamed =
    (old ? goModules) && (old.goModules ? overrideAttrs) && (finalAttrs.goSum or null) == null;
in
lib.optionalAttrs (old ? src) {
  src =
    if isHashedPath then
      builtins.path {
        path = old.src;
        name = builtins.head hashed;
      }
    else
      old.src;
}
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
