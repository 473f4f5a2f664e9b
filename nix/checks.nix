# What `nix flake check` builds: the programs with their unit tests, what the overlays promise of this nixpkgs, and the
# virtual machines of nixos/tests, which are found by their files.
{ pkgs, package }:
let
  inherit (pkgs) lib;
  assertions = import ../integration/nix/overlays.nix {
    packages = overlays: pkgs.appendOverlays overlays;
  };
  failed = builtins.filter (name: !assertions.${name}) (builtins.attrNames assertions);
  tests = lib.filterAttrs (name: kind: kind == "regular" && lib.hasSuffix ".nix" name) (
    builtins.readDir ../nixos/tests
  );
  machine =
    file: pkgs.testers.runNixOSTest (import (../nixos/tests + "/${file}") { inherit pkgs package; });
in
{
  inherit package;
  overlays = if failed == [ ] then pkgs.emptyFile else throw "failed: ${toString failed}";
}
// lib.mapAttrs' (
  file: _: lib.nameValuePair "nixos-${lib.removeSuffix ".nix" file}" (machine file)
) tests
