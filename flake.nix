# An index: what is meant by each name lies elsewhere.
{
  description = "Go's build cache inside sandboxed Nix builds";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      of = systems: f: lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
      # The cache is for Linux; to work on its sources any system will do.
      eachSystem = of [
        "x86_64-linux"
        "aarch64-linux"
      ];
      package = pkgs: pkgs.pkgsStatic.callPackage ./nix/package.nix { };
    in
    {
      packages = eachSystem (pkgs: rec {
        default = nix-gocacheprog;
        nix-gocacheprog = package pkgs;
      });
      overlays.default = import ./overlay/default.nix;
      overlays.intercept = import ./overlay/intercept.nix;
      # A path, and not what is in it: the module system's messages name the file then.
      nixosModules = rec {
        default = nix-gocacheprog;
        nix-gocacheprog = ./nixos/module.nix;
      };
      templates =
        let
          welcomeText = "Put your program beside flake.nix, `git add` both, set pname and vendorHash, and run `nix build`.";
        in
        {
          default = {
            path = ./nix/template;
            description = "A Go program whose builds use the cache of a machine's daemon";
            inherit welcomeText;
          };
          layered = {
            path = ./nix/template-layered;
            description = "A Go program whose dependencies are in layers, for those without a daemon";
            inherit welcomeText;
          };
        };
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
      formatter = of lib.systems.flakeExposed (pkgs: import ./nix/format.nix { inherit pkgs; });
      apps = eachSystem (pkgs: {
        demo = import ./nix/demo.nix {
          inherit pkgs;
          source = self;
          package = package pkgs;
        };
      });
    };
}
