# The options of services.nix-gocacheprog: the daemon, the hook, the overlay. Those of the module proxy are in modproxy.nix.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    literalExpression
    mkEnableOption
    mkOption
    types
    ;
  own = import ./types.nix { inherit lib; };

  # Whom Nix trusts may write what others read, unless the settings name them. A relay is no writer (crates/cacheprogd/src/trust/policy.rs).
  names =
    value:
    if lib.isList value then value else builtins.filter (name: name != "") (lib.splitString " " value);
  trusted = [
    "root"
  ]
  ++ names (config.nix.settings.trusted-users or [ ])
  ++ names (config.nix.settings.extra-trusted-users or [ ]);
  writersBeside = relays: builtins.filter (name: !(builtins.elem name relays)) (lib.unique trusted);
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
      type = types.submodule (
        import ./settings.nix {
          inherit lib writersBeside;
          toml = pkgs.formats.toml { };
        }
      );
      default = { };
      example = {
        max-size = "20GiB";
        http = "localhost:9417";
      };
      description = "Settings of the daemon, written to /etc/nix-gocacheprog.toml (docs/reference/settings.md).";
    };

    remote = {
      credentialsFile = mkOption {
        type = types.nullOr own.secretFile;
        default = null;
        example = "/run/secrets/gocache-credentials";
        description = ''
          The credentials for the remote store of `settings.remote.url`, written as ~/.aws/credentials is. Only
          nix-gocacheprog-remote.service reads it (docs/how-to/remote-store.md).
        '';
      };

      secretKeyFile = mkOption {
        type = types.nullOr own.secretFile;
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
        `buildGoModuleLayered`, or absolute paths, as texts: Nix copies what is no text into the store. What they have is for builds of all users (docs/how-to/begin-with-a-layer.md).
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
}
