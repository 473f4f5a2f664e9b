# What `nix flake check` builds: the programs with their unit tests, the layout of the sources, what the overlays and the module promise
# of this nixpkgs, and the virtual machines of nixos/tests, which are found by their files.
{ pkgs, package }:
let
  inherit (pkgs) lib;
  passed = failed: if failed == [ ] then pkgs.emptyFile else throw "failed: ${toString failed}";
  assertions = import ../integration/nix/overlays.nix {
    packages = overlays: pkgs.appendOverlays overlays;
  };
  module = import ../integration/nix/module.nix {
    inherit lib package;
    inherit (pkgs.stdenv.hostPlatform) system;
    configuration.services.nix-gocacheprog = {
      enable = true;
      modproxy.enable = true;
      settings.http = "localhost:9417";
    };
  };
  tests = lib.filterAttrs (name: kind: kind == "regular" && lib.hasSuffix ".nix" name) (
    builtins.readDir ../nixos/tests
  );
  machine =
    file: pkgs.testers.runNixOSTest (import (../nixos/tests + "/${file}") { inherit pkgs package; });
in
{
  inherit package;
  overlays = passed (builtins.filter (name: !assertions.${name}) (builtins.attrNames assertions));
  module = passed module.failures;
  format =
    pkgs.runCommand "formatted" { nativeBuildInputs = [ (import ./format.nix { inherit pkgs; }) ]; }
      ''
        cd ${lib.cleanSource ../.}
        format --check
        touch $out
      '';
}
// lib.mapAttrs' (
  file: _: lib.nameValuePair "nixos-${lib.removeSuffix ".nix" file}" (machine file)
) tests
