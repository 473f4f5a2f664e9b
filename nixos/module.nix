# services.nix-gocacheprog: the daemon with its socket, the pre-build-hook in nix.conf, and the overlay.
# units.nix has the units. Settings are checked when the system is built: `nixos-rebuild` finds a mistake, not the first build.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.nix-gocacheprog;
  toml = pkgs.formats.toml { };
  inherit (lib)
    literalExpression
    mkEnableOption
    mkIf
    mkOption
    optionals
    types
    ;

  # The hook as Nix calls it, with its settings beside it (crates/prebuild-hook/src/settings.rs).
  hook = pkgs.runCommand "nix-gocacheprog-prebuild" { } ''
    mkdir "$out"
    ln -s ${cfg.package}/libexec/nix-gocacheprog/prebuild-hook "$out/hook"
    cp ${toml.generate "gocacheprog-hook.toml" hookSettings} "$out/hook.toml"
    "$out/hook" --check "$out/hook.toml"
  '';
  transparent = cfg.hook.mode == "transparent";
  hookSettings = {
    inherit (cfg.hook) mode unreadable;
    chain = map toString cfg.hook.chain;
    client = "${cfg.package}/bin/cacheprog-client";
  }
  // lib.optionalAttrs transparent {
    inherit (cfg.hook) allow deny;
    go-env = "${pkgs.writeText "gocacheprog-go-env" "GOCACHEPROG=/gocache-client\n"}";
  };

  # Whom Nix trusts may write what others read, unless the settings say who. A relay is no writer (crates/cacheprogd/src/trust/policy.rs).
  names =
    value:
    if lib.isList value then value else builtins.filter (name: name != "") (lib.splitString " " value);
  trusted = [
    "root"
  ]
  ++ names (config.nix.settings.trusted-users or [ ])
  ++ names (config.nix.settings.extra-trusted-users or [ ]);
  trust = cfg.settings.trust or { };
  writers = builtins.filter (name: !(builtins.elem name (trust.relays or [ ]))) (lib.unique trusted);
  # Not a default of the option: it depends on a part of the option's own value.
  daemonSettings =
    cfg.settings
    // {
      trust = {
        inherit writers;
      }
      // trust;
    }
    // lib.optionalAttrs (cfg.layers != [ ]) {
      layers = map toString cfg.layers ++ cfg.settings.layers or [ ];
    };

  settings = pkgs.runCommand "gocacheprog-daemon.toml" { } ''
    cp ${toml.generate "gocacheprog-daemon.toml" daemonSettings} "$out"
    ${cfg.package}/bin/cacheprogctl check "$out"
  '';
  hasRemote = cfg.settings ? remote;
  units = import ./units.nix {
    program = "${cfg.package}/bin/cacheprogd";
    remote =
      if !hasRemote then
        null
      else
        {
          program = "${cfg.package}/bin/cacheprog-remote";
        }
        // lib.optionalAttrs (cfg.remote.credentialsFile != null) {
          credentials = cfg.remote.credentialsFile;
        }
        // lib.optionalAttrs (cfg.remote.secretKeyFile != null) { secretKey = cfg.remote.secretKeyFile; };
    host = cfg.host.enable;
    network =
      let
        at = prefix: lib.hasPrefix prefix cfg.settings.http;
      in
      if !(cfg.settings ? http) || at "/" then
        null
      else if at "127." || at "[::1]" || at "localhost:" then
        "localhost"
      else
        "any";
  };
in
{
  options.services.nix-gocacheprog = {
    enable = mkEnableOption "Go's build cache inside sandboxed Nix builds";

    package = mkOption {
      type = types.package;
      default = pkgs.pkgsStatic.callPackage ../nix/package.nix { };
      defaultText = literalExpression "pkgs.pkgsStatic.callPackage ./nix/package.nix { }";
      description = "The programs. They have to be static: a sandbox contains the client and no libraries for it.";
    };

    settings = mkOption {
      type = toml.type;
      default = { };
      example = {
        max-size = "20GiB";
      };
      description = ''
        Settings of the daemon, written to /etc/nix-gocacheprog.toml (docs/reference/settings.md). Without `trust.writers` it is
        `nix.settings.trusted-users`, less those in `trust.relays`.
      '';
    };

    remote = {
      credentialsFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/run/secrets/gocache-credentials";
        description = ''
          The credentials for the remote store of `settings.remote.url`, written as ~/.aws/credentials is. Only
          nix-gocacheprog-remote.service reads it (docs/how-to/remote-store.md).
        '';
      };

      secretKeyFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/run/secrets/gocache-key";
        description = "The secret key that signs what `settings.remote.write` puts. Only the daemon reads it.";
      };
    };

    layers = mkOption {
      type = types.listOf types.path;
      default = [ ];
      example = literalExpression "[ app.goCacheStd app.goCache ]";
      description = ''
        Layers from which the daemon's store takes what it has not: `goCacheStd` and `goCache` of a package of
        `buildGoModuleLayered`, or absolute paths. What they have is for builds of all users (docs/how-to/begin-with-a-layer.md).
      '';
    };

    hook = {
      mode = mkOption {
        type = types.enum [
          "opt-in"
          "transparent"
        ];
        default = "opt-in";
        description = ''
          Which builds use the cache. `opt-in`: builds with `nixGocacheprogHook` among their inputs. `transparent`: these, and
          all builds with a Go toolchain among their direct inputs; their derivations, and so their hashes, do not change.
        '';
      };

      unreadable = mkOption {
        type = types.enum [
          "offer"
          "skip"
          "transparent"
        ];
        default = "offer";
        description = ''
          What to do for a build whose derivation is not on this machine, as on most remote builders. `offer`: offer the
          cache, which only a build with the setup hook uses. `skip`: offer nothing. `transparent`, in transparent mode: treat
          the build like one with a Go toolchain.
        '';
      };

      allow = mkOption {
        type = types.listOf types.str;
        default = [ "*" ];
        example = [ "caddy-*" ];
        description = "In transparent mode: patterns of the names of derivations that use the cache; `*` matches any text.";
      };

      deny = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "*-go-modules" ];
        description = "In transparent mode: patterns of the names of derivations that do not use the cache; it has priority over `allow`.";
      };

      chain = mkOption {
        type = types.listOf types.path;
        default = [ ];
        example = literalExpression "[ (lib.getExe config.programs.nix-required-mounts.package) ]";
        description = ''
          Other pre-build-hooks, which run before this one, in this order: `nix.settings.pre-build-hook` takes only one
          program. If the list is not empty, other definitions of that setting are overridden.
        '';
      };
    };

    host.enable = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Also serve go commands outside of sandboxes (`sandbox = false`, CI), of any user: without a sandbox the setup hook
        connects to /run/nix-gocacheprog-host.sock. Their entries are for builds of the same user, or for all where the
        user is in `settings.trust.writers`; those of a build user are for no other build, unless it is in that list. This creates
        the link /gocache-client.
      '';
    };

    overlay = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = ''
          Add `nixGocacheprogHook`, `withGocacheprog`, `buildGoModuleCached` and so on to `pkgs`. This changes no package.
        '';
      };

      intercept = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Make every builder of Go packages use the cache. This changes the hash of every Go package, so no Go package comes
          from a binary cache any more.
        '';
      };
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = config.nix.enable;
        message = "services.nix-gocacheprog needs `nix.enable = true`: Nix calls its hook.";
      }
      {
        assertion = cfg.host.enable || config.nix.settings.sandbox or true != false;
        message = ''
          services.nix-gocacheprog: with `nix.settings.sandbox = false` Nix calls no pre-build-hook, so no build would get
          the cache. Enable the sandbox, or set `services.nix-gocacheprog.host.enable`.
        '';
      }
      {
        assertion = cfg.hook.chain != [ ] || !(config.programs.nix-required-mounts.enable or false);
        message = ''
          services.nix-gocacheprog and programs.nix-required-mounts both set `nix.settings.pre-build-hook`, which takes one
          program. Add the other hook to the chain:
            services.nix-gocacheprog.hook.chain = [ (lib.getExe config.programs.nix-required-mounts.package) ];
        '';
      }
      {
        assertion = transparent || cfg.hook.unreadable != "transparent";
        message = ''services.nix-gocacheprog.hook: `unreadable = "transparent"` needs `mode = "transparent"`.'';
      }
      {
        assertion = transparent || (cfg.hook.allow == [ "*" ] && cfg.hook.deny == [ ]);
        message = ''services.nix-gocacheprog.hook: `allow` and `deny` need `mode = "transparent"`.'';
      }
      {
        assertion = hasRemote || (cfg.remote.credentialsFile == null && cfg.remote.secretKeyFile == null);
        message = "services.nix-gocacheprog.remote needs `settings.remote.url`.";
      }
      {
        assertion =
          (cfg.settings.remote.write or "never") == "never"
          || cfg.remote.secretKeyFile != null
          || cfg.settings.remote ? secret-key-file;
        message = "services.nix-gocacheprog: `settings.remote.write` needs `remote.secretKeyFile`.";
      }
      {
        assertion = cfg.overlay.enable || !cfg.overlay.intercept;
        message = "services.nix-gocacheprog.overlay: `intercept` needs `enable`.";
      }
    ];

    nix.settings.pre-build-hook =
      (if cfg.hook.chain == [ ] then lib.id else lib.mkForce)
        "${hook}/hook";

    systemd.sockets = units.sockets;
    # Running builds have sockets that a stopped daemon does not serve, and nothing would start it for them.
    systemd.services = lib.mapAttrs (
      name: unit:
      unit
      // {
        stopIfChanged = false;
        restartTriggers = [ (builtins.toJSON daemonSettings) ];
      }
      # Its page and metrics are asked for by no socket that would start it.
      // lib.optionalAttrs (name == "nix-gocacheprog" && cfg.settings ? http) {
        wantedBy = [ "multi-user.target" ];
      }
    ) units.services;

    users.users = mkIf cfg.host.enable {
      nix-gocacheprog = {
        isSystemUser = true;
        group = "nix-gocacheprog";
      };
    };
    users.groups =
      lib.optionalAttrs cfg.host.enable { nix-gocacheprog = { }; }
      // lib.optionalAttrs hasRemote { ${units.remoteGroup} = { }; };
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
