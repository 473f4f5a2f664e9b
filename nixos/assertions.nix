# What has to hold between options; each one's own values are checked by its type. A message names the option and the fix.
{ config, lib, ... }:
let
  cfg = config.services.nix-gocacheprog;
  transparent = cfg.hook.mode == "transparent";
  remote = cfg.settings.remote;
  inherit (cfg.settings.trust) writers relays;
  inBoth = builtins.filter (name: builtins.elem name writers) (
    if relays == null then [ ] else relays
  );
  hasKey = cfg.remote.secretKeyFile != null || remote.secret-key-file != null;
in
{
  config.assertions = lib.mkIf cfg.enable [
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
      assertion =
        remote != null || (cfg.remote.credentialsFile == null && cfg.remote.secretKeyFile == null);
      message = "services.nix-gocacheprog.remote needs `settings.remote.url`.";
    }
    {
      assertion =
        remote == null
        || hasKey
        || builtins.elem remote.write [
          null
          "never"
          [ ]
        ];
      message = "services.nix-gocacheprog: `settings.remote.write` needs `remote.secretKeyFile`.";
    }
    {
      assertion = inBoth == [ ];
      message = ''
        services.nix-gocacheprog.settings.trust: ${toString inBoth} cannot be in both `writers` and `relays`. What a relay asks for
        is for others, and so no writer's. Remove it from one of them.
      '';
    }
    {
      assertion = cfg.overlay.enable || !cfg.overlay.intercept;
      message = "services.nix-gocacheprog.overlay: `intercept` needs `enable`.";
    }
  ];
}
