# A Go program whose dependencies are compiled in layers, which any binary cache carries. It needs no daemon and nothing of the machine
# (docs/how-to/without-a-daemon.md).
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
        default = (packages system).buildGoModuleLayered {
          pname = "hello";
          version = "1";
          src = self;
          vendorHash = ""; # then the hash that the error tells; with vendor/ in the source: null, and a layer has Go's own packages alone
        };
      });
    };
}
