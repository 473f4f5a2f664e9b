# Without the daemon this saves nothing: then take the other template, `nix flake init -t git+file:///path/to/nix-gocacheprog#layered`.
# A Go program whose builds use the machine's cache, where the machine has one (`services.nix-gocacheprog.enable = true`, or
# `cacheprogctl install`). Elsewhere it is built as always.
{
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";
  inputs.nix-gocacheprog = {
    url = "git+file:///path/to/nix-gocacheprog"; # wherever you have it
    inputs.nixpkgs.follows = "nixpkgs"; # one nixpkgs is enough
  };

  outputs =
    {
      self,
      nixpkgs,
      nix-gocacheprog,
      ...
    }:
    let
      eachSystem = nixpkgs.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
      ];
      packages =
        system: nixpkgs.legacyPackages.${system}.appendOverlays [ nix-gocacheprog.overlays.default ];
    in
    {
      packages = eachSystem (system: {
        default = (packages system).buildGoModuleCached {
          pname = "hello";
          version = "1";
          src = self;
          vendorHash = null; # without vendor/: "", and then the hash that the error tells
        };
      });
    };
}
