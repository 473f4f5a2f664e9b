# `nix run .#demo`, as root: integration/demo with these programs and this Go.
{
  pkgs,
  source,
  package,
}:
let
  # integration/ takes all programs from one directory.
  programs = pkgs.runCommand "nix-gocacheprog-programs" { } ''
    mkdir $out
    ln -sf ${package}/bin/* ${package}/libexec/nix-gocacheprog/* $out/
  '';
in
{
  type = "app";
  program = pkgs.lib.getExe (
    pkgs.writeShellApplication {
      name = "demo";
      runtimeInputs = [
        pkgs.go
        pkgs.util-linux
      ];
      text = ''TEST_BIN=${programs} exec bash ${source}/integration/demo "$@"'';
    }
  );
  meta.description = "Builds a Go program three times in Nix sandboxes: cold, again, with one package edited";
}
