# What people set of the daemon's settings, as options of the submodule `services.nix-gocacheprog.settings`: each key of the file that has
# a type here is checked at evaluation. Other keys pass as they are, and `cacheprogctl check` refuses wrong ones when the system is built.
# null is the daemon's own default: it has one place (docs/reference/settings.md). `writersBeside` is a function of the relays.
{
  lib,
  toml,
  writersBeside,
}:
{ config, ... }:
let
  inherit (lib) literalExpression mkOption types;
  own = import ./types.nix { inherit lib; };
  unset =
    type: example: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit example description;
    };

  remote = {
    freeformType = toml.type;
    options = {
      url = mkOption {
        type = own.remoteUrl;
        example = "s3://bucket/go";
        description = "The store that machines share.";
      };
      endpoint = unset own.endpoint "https://s3.example" "The address of an S3 engine. null: AWS.";
      region = unset own.region "eu-central-1" "The region of an S3 engine. null: it is found.";
      addressing = unset (types.enum [
        "host"
        "path"
      ]) "path" "How an S3 engine is told the bucket. null: for AWS in the host's name, for other engines in the path.";
      profile = unset types.str "ci" "The profile in the file of credentials. null: `default`.";
      trusted-public-keys = mkOption {
        type = types.listOf own.publicKey;
        default = [ ];
        example = [ "ci-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" ];
        description = "Whose entries are used (`cacheprogctl remote keygen`). Without any, nothing is fetched.";
      };
      write =
        unset
          (types.either (types.enum [
            "never"
            "all"
          ]) (types.listOf types.str))
          [ "caddy" ]
          "Which builds' outputs are put: of all, or of these names without versions. null: of none. It needs `remote.secretKeyFile`.";
      secret-key-file = unset own.secretFile "/run/secrets/gocache-key" ''
        The key that signs what is put, as the daemon's user reads it. null: `remote.secretKeyFile`, which root alone has to read.
      '';
      kept-for =
        unset own.time "30d"
          "After how long a rule of the store removes what was put: at least a day. null: 30 days.";
      daily-bytes =
        unset own.bytes "50GiB"
          "After so many bytes nothing is fetched or put until the next day (UTC). null: any number.";
    };
  };
in
{
  freeformType = toml.type;

  options = {
    max-size = unset own.sizeOrNone "20GiB" ''
      What the cache may take of its disk; what was not used for longest goes first. null: 10% of the disk, at most 50GiB.
    '';
    max-age =
      unset own.timeOrNone "30d"
        "Entries that were not used for so long go: at least an hour. null: 60 days.";
    min-free = unset own.size "20GiB" ''
      What the cache leaves of its disk, in bytes and in inodes. null: 5%, at most 10GiB.
    '';
    http = unset own.http "localhost:9417" ''
      Where metrics for Prometheus and a page are. The daemon starts at boot then. It gets a network: with a loopback address this
      machine's alone. null: nowhere (docs/how-to/monitoring.md).
    '';
    status-socket = unset own.socketOrNone "none" ''
      `none`: root alone may ask for status, builds and why. A path has no effect here: set
      `systemd.sockets.nix-gocacheprog-status.socketConfig.ListenStream`.
    '';
    private-tests = mkOption {
      type = types.bool;
      default = false;
      description = "Whether each build has results of tests of its own.";
    };
    layers = mkOption {
      type = types.listOf own.layer;
      default = [ ];
      example = [ "/srv/go-layer" ];
      description = "Paths of layers. `services.nix-gocacheprog.layers`, which also takes packages, comes before them.";
    };

    trust = {
      writers = mkOption {
        type = types.listOf own.principal;
        default = writersBeside (if config.trust.relays == null then [ ] else config.trust.relays);
        defaultText = literalExpression "config.nix.settings.trusted-users, less those in settings.trust.relays";
        example = [
          "root"
          "@wheel"
        ];
        description = ''
          Users whose builds' entries are for all users; others have a cache of their own and read these entries
          (docs/explanation/security.md). `*` is every user.
        '';
      };
      relays = unset (types.listOf own.principal) [ "hydra" ] ''
        Users whose builds are those of others, and so no writers'. null: each user whose process is `nix-daemon --stdio` or
        `nix-store --serve`.
      '';
      witnesses =
        unset
          (types.enum [
            1
            2
          ])
          2
          "2: an output is for builds of other names only after a build of a second name put the same. null: 1.";
      shadow-seconds-per-hour = unset types.ints.unsigned 60 ''
        Compile time an hour for which builds compute again what they could have had, to compare both
        (docs/how-to/verify-outputs.md). null: 0.
      '';
    };

    remote = mkOption {
      type = types.nullOr (types.submodule remote);
      default = null;
      example = {
        url = "s3://bucket/go";
        endpoint = "https://s3.example";
        trusted-public-keys = [ "ci-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=" ];
      };
      description = "A store that machines share (docs/how-to/remote-store.md).";
    };
  };
}
