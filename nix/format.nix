# `nix fmt`: the Rust sources by rustfmt.toml, the Nix files by nixfmt. With `--check` it changes nothing, and fails where it would.
{ pkgs }:
pkgs.writeShellApplication {
  name = "format";
  runtimeInputs = [
    pkgs.cargo
    pkgs.rustfmt
    pkgs.nixfmt
  ];
  text = ''
    check=()
    if [ "''${1:-}" = --check ]; then check=(--check); fi
    cargo fmt --all "''${check[@]}"
    find . -name '*.nix' -not -path './target/*' -print0 | xargs -0 nixfmt "''${check[@]}"
  '';
}
