# Of the programs of an installed release those that layers need. They are static, so that their files are all there is to copy into the
# store.
{ lib, runCommand }:
let
  directories = [
    ../../../libexec/nix-gocacheprog
    ../../../bin
  ];
  # A link would lead out of the store.
  hasFile =
    name: directory:
    builtins.pathExists directory && (builtins.readDir directory).${name} or "" == "regular";
  copied =
    name:
    let
      found = builtins.filter (hasFile name) directories;
    in
    if found == [ ] then
      throw "nix-gocacheprog: ${name} is neither in ${
        lib.concatMapStringsSep " nor in " toString directories
      }"
    else
      builtins.path {
        inherit name;
        path = builtins.head found + "/${name}";
      };
in
runCommand "nix-gocacheprog-installed" { } ''
  mkdir -p "$out/bin"
  cp ${copied "cacheprogctl"} "$out/bin/cacheprogctl"
  cp ${copied "cacheprog-client"} "$out/bin/cacheprog-client"
''
