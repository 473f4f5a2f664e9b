# An index: what is meant by each name lies elsewhere.
{
  description = "Go's build cache inside sandboxed Nix builds";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      eachSystem =
        f: lib.genAttrs [ "x86_64-linux" "aarch64-linux" ] (system: f nixpkgs.legacyPackages.${system});
      package = pkgs: pkgs.pkgsStatic.callPackage ./nix/package.nix { };
    in
    {
      packages = eachSystem (pkgs: rec {
        default = nix-gocacheprog;
        nix-gocacheprog = package pkgs;
      });
      overlays.default = import ./overlay/default.nix;
      overlays.intercept = import ./overlay/intercept.nix;
      nixosModules.default = import ./nixos/module.nix;
      checks = eachSystem (
        pkgs:
        import ./nix/checks.nix {
          inherit pkgs;
          package = package pkgs;
        }
      );
      devShells = eachSystem (pkgs: {
        default = import ./nix/shell.nix { inherit pkgs; };
      });
      formatter = eachSystem (pkgs: import ./nix/format.nix { inherit pkgs; });
      apps = eachSystem (pkgs: {
        demo = import ./nix/demo.nix {
          inherit pkgs;
          source = self;
          package = package pkgs;
        };
      });
    };
}
