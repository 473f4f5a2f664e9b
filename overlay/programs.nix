# The programs: of the sources, where this is a checkout, else those that were installed with this overlay (PREFIX/share/nix-gocacheprog
# of a release). A function of the package set.
final:
let
  source = ../nix/package.nix;
  isCheckout = builtins.pathExists source;
  installed = import ./installed.nix { inherit (final) lib runCommand; };
in
{
  # What the host mounts into a sandbox finds no library there.
  static = if isCheckout then final.pkgsStatic.callPackage source { } else installed;
  # A layer has the client with its libraries as store paths. nixpkgs' own Rust compiles it.
  dynamic = if isCheckout then final.callPackage source { } else installed;
}
