# The program programs/layered by buildGoModuleLayered, or with `builder` by another one; `attribute` is what is built of it. Each go
# command prints what it runs. `programs`: a store path with our programs, as the package nix-gocacheprog has them. `extra`: further
# arguments of the builder.
{
  gosdk,
  overlay,
  programs,
  src,
  version ? "1",
  builder ? "buildGoModuleLayered",
  attribute ? "out",
  stub ? { },
  extra ? { },
}:
let
  pkgs = import ../nixpkgs_stub (
    {
      inherit gosdk;
      overlay = [
        overlay
        (final: prev: { nix-gocacheprog-dynamic = builtins.storePath programs; })
      ];
    }
    // stub
  );
  package = pkgs.${builder} (
    finalAttrs:
    {
      pname = "layered";
      inherit version;
      # The directory's name is in keys of test forms.
      src = builtins.path {
        name = "layered-source";
        path = src;
      };
      goModules = builtins.path {
        name = "layered-modules";
        path = src + "/vendor";
      };
      postUnpack = "rm -rf $sourceRoot/vendor";
      env = {
        CGO_ENABLED = "1";
        NIX_DEBUG = "1";
        PROGRAM = finalAttrs.pname;
      };
    }
    // extra
  );
in
package.${attribute}
