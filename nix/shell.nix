# What it takes to work on this: everything but Nix itself.
{ pkgs }:
pkgs.mkShell {
  packages = with pkgs; [
    cargo
    clippy
    rustc
    rustfmt
    cargo-deny
    cargo-llvm-cov
    go
    mdbook
    shellcheck
  ];
  # .cargo/config.toml links the programs statically.
  buildInputs = [ pkgs.glibc.static ];
}
