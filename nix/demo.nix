# `nix run .#demo`, as root: integration/demo with these programs and this Go.
{ pkgs, source, package }:
{
  type = "app";
  program = pkgs.lib.getExe (pkgs.writeShellApplication {
    name = "demo";
    runtimeInputs = [ pkgs.go pkgs.util-linux ];
    text = ''TEST_BIN=${package}/bin exec bash ${source}/integration/demo "$@"'';
  });
  meta.description = "Builds a Go program three times in Nix sandboxes: cold, again, with one package edited";
}
