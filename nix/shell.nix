# What it takes to work on this: everything but Nix itself.
{ pkgs }:
pkgs.mkShell {
  packages = with pkgs; [
    cargo
    clippy
    rustc
    rustfmt
    cargo-deny
    go
    shellcheck
  ];
  # .cargo/config.toml links the programs statically.
  buildInputs = [ pkgs.glibc.static ];
}
