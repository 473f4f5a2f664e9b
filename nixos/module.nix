# services.nix-gocacheprog: the daemon with its socket, the pre-build-hook in nix.conf, and the overlay.
# What the units say is in units.nix. Settings are checked when the system is built: a mistake in them is found by
# `nixos-rebuild`, and not by a build.
{ config, lib, pkgs, ... }:
let
  cfg = config.services.nix-gocacheprog;
  toml = pkgs.formats.toml { };
  inherit (lib) literalExpression mkEnableOption mkIf mkOption optionals types;

  # The hook as Nix calls it, with its settings beside it (crates/prebuild-hook/src/settings.rs).
  hook = pkgs.runCommand "nix-gocacheprog-prebuild" { } ''
    mkdir "$out"
    ln -s ${cfg.package}/bin/prebuild-hook "$out/hook"
    cp ${toml.generate "gocacheprog-hook.toml" hookSettings} "$out/hook.toml"
    "$out/hook" --check "$out/hook.toml"
  '';
  transparent = cfg.hook.mode == "transparent";
  hookSettings = {
    inherit (cfg.hook) mode unreadable;
    chain = map toString cfg.hook.chain;
    client = "${cfg.package}/bin/cacheprog-client";
  } // lib.optionalAttrs transparent {
    inherit (cfg.hook) allow deny;
    go-env = "${pkgs.writeText "gocacheprog-go-env" "GOCACHEPROG=/gocache-client --transparent\n"}";
  };

  settings = pkgs.runCommand "gocacheprog-daemon.toml" { } ''
    cp ${toml.generate "gocacheprog-daemon.toml" cfg.settings} "$out"
    ${cfg.package}/bin/cacheprogd check "$out"
  '';
  units = import ./units.nix {
    program = "${cfg.package}/bin/cacheprogd";
    host = cfg.host.enable;
    network =
      let at = prefix: lib.hasPrefix prefix cfg.settings.http; in
      if !(cfg.settings ? http) || at "/" then null else if at "127." || at "[::1]" then "localhost" else "any";
  };
in
{
  options.services.nix-gocacheprog = {
    enable = mkEnableOption "Go's build cache inside sandboxed Nix builds";

    package = mkOption {
      type = types.package;
      default = pkgs.pkgsStatic.callPackage ../nix/package.nix { };
      defaultText = literalExpression "pkgs.pkgsStatic.callPackage ./nix/package.nix { }";
      description = "The programs. They have to be static: a sandbox gets the client and no library with it.";
    };

    settings = mkOption {
      type = toml.type;
      default = { };
      example = { max-size = "20GiB"; };
      description = "Settings of the daemon: what goes to /etc/nix-gocacheprog.toml (docs/reference/settings.md).";
    };

    hook = {
      mode = mkOption {
        type = types.enum [ "opt-in" "transparent" ];
        default = "opt-in";
        description = ''
          Which builds use the cache: those that have `nixGocacheprogHook` among their inputs (`opt-in`), or also each that
          has a Go toolchain among its direct inputs and knows nothing of us (`transparent`), whose hash stays as it is.
          Transparent builds share compiled Go and Go's own indexes only: nothing that cgo makes and no results of tests.
        '';
      };

      unreadable = mkOption {
        type = types.enum [ "offer" "skip" "transparent" ];
        default = "offer";
        description = ''
          What to do for a build whose derivation is not on this machine, as when it came from another one by the usual
          remote building: offer the cache, which only a derivation with our setup hook uses; leave the build alone; or,
          in transparent mode, treat it as one that has a Go toolchain.
        '';
      };

      allow = mkOption {
        type = types.listOf types.str;
        default = [ "*" ];
        example = [ "caddy-*" ];
        description = "In transparent mode: patterns of the names of derivations that use the cache; `*` stands for any text.";
      };

      deny = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "*-go-modules" ];
        description = "In transparent mode: patterns of the names of derivations that do not, whatever `allow` says.";
      };

      chain = mkOption {
        type = types.listOf types.path;
        default = [ ];
        example = literalExpression "[ (lib.getExe config.programs.nix-required-mounts.package) ]";
        description = ''
          Other programs of the kind of `nix.settings.pre-build-hook`, which holds one only: they run as well, in this
          order. With one here, ours takes the place of another definition of that setting.
        '';
      };
    };

    host.enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Serve go commands outside of sandboxes too (`sandbox = false`, CI), of any user: a setup hook that finds no sandbox
        asks at /run/nix-gocacheprog-host.sock. They share what transparent builds share. Every user of the
        machine can put into the cache then. This makes the link /gocache-client.
      '';
    };

    overlay = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Add `nixGocacheprogHook`, `withGocacheprog`, `buildGoModuleCached` and so on to `pkgs`. No package changes by this.
        '';
      };

      intercept = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Let every builder of Go packages use the cache by itself. This changes every Go package's hash, so that none of
          them comes from a binary cache.
        '';
      };
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = config.nix.enable;
        message = "services.nix-gocacheprog needs `nix.enable = true`: it is Nix that calls its hook.";
      }
      {
        assertion = cfg.host.enable || config.nix.settings.sandbox or true != false;
        message = ''
          services.nix-gocacheprog: with `nix.settings.sandbox = false` Nix calls no pre-build-hook, so that no build would
          get the cache. Leave the sandbox on, or set `services.nix-gocacheprog.host.enable`.
        '';
      }
      {
        assertion = cfg.hook.chain != [ ] || !(config.programs.nix-required-mounts.enable or false);
        message = ''
          services.nix-gocacheprog and programs.nix-required-mounts both need `nix.settings.pre-build-hook`, which holds one
          program. Let ours run theirs:
            services.nix-gocacheprog.hook.chain = [ (lib.getExe config.programs.nix-required-mounts.package) ];
        '';
      }
      {
        assertion = transparent || cfg.hook.unreadable != "transparent";
        message = ''services.nix-gocacheprog.hook: `unreadable = "transparent"` needs `mode = "transparent"`.'';
      }
      {
        assertion = transparent || (cfg.hook.allow == [ "*" ] && cfg.hook.deny == [ ]);
        message = ''services.nix-gocacheprog.hook: `allow` and `deny` mean something with `mode = "transparent"` only.'';
      }
      {
        assertion = cfg.overlay.enable || !cfg.overlay.intercept;
        message = "services.nix-gocacheprog.overlay: `intercept` needs `enable`.";
      }
    ];

    nix.settings.pre-build-hook = (if cfg.hook.chain == [ ] then lib.id else lib.mkForce) "${hook}/hook";

    systemd.sockets = units.sockets;
    # Builds that run have sockets which a stopped daemon does not serve, and nothing else would start it for them.
    systemd.services = lib.mapAttrs
      (_: unit: unit // { stopIfChanged = false; restartTriggers = [ (builtins.toJSON cfg.settings) ]; })
      units.services;

    users = mkIf cfg.host.enable {
      users.nix-gocacheprog = { isSystemUser = true; group = "nix-gocacheprog"; };
      groups.nix-gocacheprog = { };
    };
    # The setup hook looks for the client there, with a sandbox or without.
    systemd.tmpfiles.rules = optionals cfg.host.enable
      [ "L+ /gocache-client - - - - ${cfg.package}/bin/cacheprog-client" ];

    environment.systemPackages = [ cfg.package ];
    environment.etc."nix-gocacheprog.toml" = mkIf (cfg.settings != { }) {
      source = settings;
    };

    nixpkgs.overlays = optionals cfg.overlay.enable
      [ (import (if cfg.overlay.intercept then ../overlay/intercept.nix else ../overlay/default.nix)) ];
  };
}
