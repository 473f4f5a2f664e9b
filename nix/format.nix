# `nix fmt`: the Rust sources by rustfmt.toml. The Nix files are laid out by hand.
{ pkgs }:
pkgs.writeShellApplication {
  name = "format";
  runtimeInputs = [
    pkgs.cargo
    pkgs.rustfmt
  ];
  text = "cargo fmt --all";
}
