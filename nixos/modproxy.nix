# services.nix-gocacheprog.modproxy: the module proxy as a service for the users of this machine. It needs neither the daemon nor
# `services.nix-gocacheprog.enable`.
{ config, lib, ... }:
let
  cfg = config.services.nix-gocacheprog;
  inherit (lib)
    mkEnableOption
    mkIf
    mkOption
    optional
    types
    ;
  own = import ./types.nix { inherit lib; };

  units = import ./units.nix {
    program = "${cfg.package}/bin/cacheprogd";
    modproxy = {
      program = "${cfg.package}/libexec/nix-gocacheprog/modproxy";
      inherit (cfg.modproxy) offline;
      options = [
        "--listen"
        cfg.modproxy.listen
      ]
      ++ optional cfg.modproxy.logRequests "--log-requests";
      # As systemd reads it: a percent sign begins a specifier.
      environment = map (builtins.replaceStrings [ "%" ] [ "%%" ]) (
        [
          "GOPROXY=${cfg.modproxy.upstream}"
          "GOSUMDB=${cfg.modproxy.checksumDatabase}"
        ]
        ++ optional (cfg.modproxy.maxSize != null) ''"NIX_GOCACHEPROG_MAX_SIZE=${cfg.modproxy.maxSize}"''
      );
      netrc = cfg.modproxy.netrcFile;
    };
  };
  service = "nix-gocacheprog-modproxy";

  # Whether two servers cannot both listen: the same port of hosts that are one, or of a host that is all of this machine.
  parts = address: builtins.match "(.*):([0-9]+)" (toString address);
  collide =
    a: b:
    let
      hosts = map (address: builtins.head (parts address)) [
        a
        b
      ];
      areAmong = builtins.all (
        host:
        builtins.elem host [
          "127.0.0.1"
          "[::1]"
          "localhost"
        ]
      );
      isAll = host: host == "0.0.0.0" || host == "[::]";
    in
    parts a != null
    && builtins.elemAt (parts a) 1 == builtins.elemAt (parts b) 1
    && (builtins.head hosts == builtins.elemAt hosts 1 || areAmong hosts || builtins.any isAll hosts);
in
{
  options.services.nix-gocacheprog.modproxy = {
    enable = mkEnableOption "a Go module proxy for the users of this machine, which downloads each module once";

    listen = mkOption {
      type = own.loopback;
      default = "127.0.0.1:9416";
      description = ''
        Where it listens: an address of this machine alone. For users, in front of the list that they have:
        `environment.variables.GOPROXY = "http://127.0.0.1:9416|https://proxy.golang.org,direct";`
        Its `/metrics` are for Prometheus, its `/healthz` is for a probe.
      '';
    };

    upstream = mkOption {
      type = own.goproxy;
      default = "https://proxy.golang.org,direct";
      example = "https://goproxy.example,https://proxy.golang.org";
      description = "The proxies to fetch from, as in GOPROXY. At `direct` and `off` the list ends: go commands do the rest themselves.";
    };

    checksumDatabase = mkOption {
      type = types.strMatching "[^[:space:]]+" // {
        description = ''name as in GOSUMDB, or "off"'';
      };
      default = "sum.golang.org";
      description = "The checksum database whose answers are passed on and kept, as in GOSUMDB.";
    };

    offline = mkOption {
      type = types.bool;
      default = false;
      description = ''
        Serve only what is in its cache, and ask no upstream. Keep `upstream` as it was: what is kept belongs to the list that it came from.
      '';
    };

    maxSize = mkOption {
      type = types.nullOr own.sizeOrNone;
      default = null;
      example = "20GiB";
      description = "What its cache may take of the disk. null: 10%, at most 50GiB.";
    };

    logRequests = mkOption {
      type = types.bool;
      default = false;
      description = "Write a line into the journal for each request: its path, what came of it, bytes and time.";
    };

    netrcFile = mkOption {
      type = types.nullOr own.secretFile;
      default = null;
      example = "/run/secrets/goproxy-netrc";
      description = ''
        User names and passwords of upstreams, written as ~/.netrc is. Every user of this machine can use them by way of the proxy.
      '';
    };
  };

  config = mkIf cfg.modproxy.enable {
    assertions = [
      {
        assertion = !collide cfg.settings.http cfg.modproxy.listen;
        message = ''
          services.nix-gocacheprog: `settings.http` (${toString cfg.settings.http}) and `modproxy.listen` (${cfg.modproxy.listen}) have one port
          of this machine. Write another port for one of them.
        '';
      }
    ];

    # `cacheprogctl status` shows the module proxy too.
    environment.systemPackages = [ cfg.package ];
    systemd.services.${service} = units.services.${service};
  };
}
