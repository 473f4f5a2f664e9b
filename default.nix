# The programs, for those without flakes: nix-build.
{
  pkgs ? import <nixpkgs> { },
}:
pkgs.pkgsStatic.callPackage ./nix/package.nix { }
