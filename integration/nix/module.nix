# nixos/module.nix evaluated, without NixOS: the options that it sets are declared here, and `pkgs` has what it asks for.
# `lib` is nixpkgs' or the stub's, `package` the programs (their path in the store, or anything for a look alone).
# `configuration` is as in configuration.nix, `imports` are further modules; `runs` tells whether the machine that builds the system can
# execute its programs. The result: { config, options, failures } with the messages of assertions that fail.
{
  lib ? import ../nixpkgs_stub/lib.nix // import ../nixpkgs_stub/modules.nix,
  system ? builtins.currentSystem,
  package ? derivation {
    name = "programs";
    inherit system;
    builder = "/bin/sh";
  },
  configuration ? {
    services.nix-gocacheprog.enable = true;
  },
  imports ? [ ],
  runs ? true,
}:
let
  tools = import ../nixpkgs_stub/tools.nix {
    inherit system;
    shell = "/bin/bash";
  };
  writeText =
    name: text:
    tools.runBash name {
      inherit text;
      passAsFile = [ "text" ];
    } "cp \"$textPath\" \"$out\"";
  value =
    v:
    if builtins.isAttrs v then
      "{ ${lib.concatMapStringsSep ", " (key: "${key} = ${value v.${key}}") (builtins.attrNames v)} }"
    else
      builtins.toJSON v;
  pkgs = {
    inherit writeText;
    runCommand = tools.runBash;
    stdenv = {
      buildPlatform.canExecute = _: runs;
      hostPlatform = { };
    };
    pkgsStatic.callPackage = _: _: throw "a package is given";
    formats.toml = _: {
      type = lib.types.attrsOf lib.types.anything;
      # What JSON and TOML have in common is all that the settings need, besides tables.
      generate =
        name: settings:
        writeText name (
          lib.concatMapStrings (key: "${key} = ${value settings.${key}}\n") (builtins.attrNames settings)
        );
    };
  };

  option = type: default: lib.mkOption { inherit type default; };
  nixos.options =
    let
      inherit (lib.types)
        anything
        attrsOf
        bool
        listOf
        ;
    in
    {
      assertions = option (listOf anything) [ ];
      environment.etc = option (attrsOf anything) { };
      environment.systemPackages = option (listOf anything) [ ];
      nix.enable = option bool true;
      nix.settings = option (attrsOf anything) { };
      nixpkgs.overlays = option (listOf anything) [ ];
      programs.nix-required-mounts.enable = option bool false;
      systemd.services = option (attrsOf anything) { };
      systemd.sockets = option (attrsOf anything) { };
      systemd.tmpfiles.rules = option (listOf anything) [ ];
      users.groups = option (attrsOf anything) { };
      users.users = option (attrsOf anything) { };
    };
  evaluated = lib.evalModules {
    specialArgs = { inherit lib pkgs; };
    modules = [
      nixos
      ../../nixos/module.nix
      ../../module.nix
      { config.services.nix-gocacheprog.package = package; }
      { config = configuration; }
    ]
    ++ imports;
  };
  inherit (evaluated) config options;
in
{
  inherit config options;
  failures = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  units = import ../../nixos/render.nix { inherit (config.systemd) services sockets; };
}
