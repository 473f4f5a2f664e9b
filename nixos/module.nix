# services.nix-gocacheprog: the daemon with its socket, the pre-build-hook in nix.conf, and the overlay. options.nix and settings.nix have
# what can be set, assertions.nix what has to hold between options, modproxy.nix the service of the module proxy, units.nix the units.
# Import it by its path: then the module system's messages name the file.
# Settings are checked when the system is evaluated and built: `nixos-rebuild` finds a mistake, not the first build.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.nix-gocacheprog;
  toml = pkgs.formats.toml { };
  inherit (lib) mkIf optionalAttrs optionals;

  # The daemon and the hook read the settings when the system is built. What is cross compiled does not run on that machine: then they
  # read them first when they start.
  whereProgramsRun = lib.optionalString (
    pkgs.stdenv.buildPlatform.canExecute pkgs.stdenv.hostPlatform
  );
  # A text as it is; a path of Nix is copied into the store, and the system depends on it.
  asText = path: "${path}";

  # The hook as Nix calls it, with its settings beside it (crates/prebuild-hook/src/settings.rs).
  hook = pkgs.runCommand "nix-gocacheprog-prebuild" { } (
    ''
      mkdir "$out"
      ln -s ${cfg.package}/libexec/nix-gocacheprog/prebuild-hook "$out/hook"
      cp ${toml.generate "gocacheprog-hook.toml" hookSettings} "$out/hook.toml"
    ''
    + whereProgramsRun ''
      "$out/hook" --check "$out/hook.toml"
    ''
  );
  hookSettings = {
    inherit (cfg.hook) mode unreadable;
    chain = map asText cfg.hook.chain;
    client = "${cfg.package}/bin/cacheprog-client";
  }
  // optionalAttrs (cfg.hook.mode == "transparent") {
    inherit (cfg.hook) allow deny;
    go-env = "${pkgs.writeText "gocacheprog-go-env" "GOCACHEPROG=/gocache-client\n"}";
  };

  # What is null has the daemon's default.
  layers = map asText cfg.layers ++ cfg.settings.layers;
  daemonSettings = lib.filterAttrsRecursive (_: value: value != null) (
    removeAttrs cfg.settings [ "layers" ] // optionalAttrs (layers != [ ]) { inherit layers; }
  );
  settings = pkgs.runCommand "gocacheprog-daemon.toml" { } (
    ''
      cp ${toml.generate "gocacheprog-daemon.toml" daemonSettings} "$out"
    ''
    + whereProgramsRun ''
      ${cfg.package}/bin/cacheprogctl check "$out"
    ''
  );

  inherit (cfg.settings) http;
  isAt = prefixes: lib.any (prefix: lib.hasPrefix prefix http) prefixes;
  hasRemote = cfg.settings.remote != null;
  units = import ./units.nix {
    program = "${cfg.package}/bin/cacheprogd";
    remote =
      if !hasRemote then
        null
      else
        {
          program = "${cfg.package}/bin/cacheprog-remote";
        }
        // optionalAttrs (cfg.remote.credentialsFile != null) { credentials = cfg.remote.credentialsFile; }
        // optionalAttrs (cfg.remote.secretKeyFile != null) { secretKey = cfg.remote.secretKeyFile; };
    host = cfg.host.enable;
    network =
      if http == null || isAt [ "/" ] then
        null
      else if
        isAt [
          "127."
          "[::1]"
          "localhost:"
        ]
      then
        "localhost"
      else
        "any";
  };
in
{
  _class = "nixos";
  # A flake's copy of this file and that of a checkout are the same module: imported both, they are one.
  key = "nix-gocacheprog/nixos/module.nix";

  imports = [
    ./options.nix
    ./assertions.nix
    ./modproxy.nix
  ];

  config = mkIf cfg.enable {
    nix.settings.pre-build-hook =
      (if cfg.hook.chain == [ ] then lib.id else lib.mkForce)
        "${hook}/hook";

    systemd.sockets = units.sockets;
    systemd.services = lib.mapAttrs (
      name: unit:
      unit
      // {
        # Running builds have sockets that a stopped daemon does not serve, and nothing would start it for them.
        stopIfChanged = false;
        restartTriggers = [ (builtins.toJSON daemonSettings) ];
      }
      # Its page and metrics are asked for by no socket that would start it.
      // optionalAttrs (name == "nix-gocacheprog" && http != null) { wantedBy = [ "multi-user.target" ]; }
    ) units.services;

    users.users = mkIf cfg.host.enable {
      nix-gocacheprog = {
        isSystemUser = true;
        group = "nix-gocacheprog";
      };
    };
    users.groups =
      optionalAttrs cfg.host.enable { nix-gocacheprog = { }; }
      // optionalAttrs hasRemote { ${units.remoteGroup} = { }; };
    # The setup hook uses the client at this path, with a sandbox or without.
    systemd.tmpfiles.rules = optionals cfg.host.enable [
      "L+ /gocache-client - - - - ${cfg.package}/bin/cacheprog-client"
    ];

    environment.systemPackages = [ cfg.package ];
    environment.etc."nix-gocacheprog.toml".source = settings;

    nixpkgs.overlays = optionals cfg.overlay.enable [
      (import (if cfg.overlay.intercept then ../overlay/intercept.nix else ../overlay/default.nix))
    ];
  };
}
