# The two ways to make a store path without a stdenv: a bash script run by Nix (runBash) and a file with given text.
# The stub's own pieces (compiler wrapper, Go, stdenv) are made with runBash, so they cannot depend on one another.
# Scripts see the host's tools in PATH and nothing else; `out` is theirs to make.
{ system, shell }:
let
  # A script's last command takes the shell's place. One of coreutils closes its output before it ends, at which Nix kills a
  # builder (2.8, local-derivation-goal.cc `buildDone`): on a busy machine a build that was done fails.
  stays = script: script + "\n:";
in
{
  runBash =
    name: attrs: script:
    derivation (
      {
        inherit name system;
        builder = shell;
        args = [
          "-euc"
          (stays script)
        ];
        PATH = "/usr/bin:/bin";
      }
      // attrs
    );

  writeText = name: text: builtins.toFile name text;
  writeScript =
    name: text:
    derivation {
      inherit name system text;
      builder = shell;
      passAsFile = [ "text" ];
      args = [
        "-euc"
        (stays ''/bin/cp "$textPath" "$out"; /bin/chmod +x "$out"'')
      ];
    };
}
