# The daemon's systemd units, as NixOS has them in systemd.services and systemd.sockets: the only place they are written.
# module.nix takes them as they are; render.nix makes the files that `cacheprogctl install` puts on other systems.
# `program` is cacheprogd, `arguments` what follows `serve`. `user` is for a user's own manager, which cannot take much away:
# there the daemon can do what the user can, as everything of a single-user Nix. `host` adds the socket for go commands
# outside of sandboxes; these open the files of the cache by their paths, so that it has to lie where users get to. `network` is
# for metrics at a port: null, "localhost", or "any". `remote` adds cacheprog-remote: null, or a set with its `program` and, where there may be
# any, the paths of its `credentials` and of the `secretKey` that the daemon signs with. `remoteGroup` of the result has to exist then.
# `modproxy` adds the module proxy: null, or a set with its `program` and, where there are any, the `options` of `serve`, lines of its
# `environment`, an `environmentFile`, the path of its `netrc`, and `offline`.
{
  program,
  user ? false,
  host ? false,
  network ? null,
  remote ? null,
  modproxy ? null,
}:
let
  restricted = import ./hardening.nix;
  ofSystem =
    if network == null then
      restricted
    else
      builtins.removeAttrs restricted (
        [ "PrivateNetwork" ] ++ (if network == "any" then [ "IPAddressDeny" ] else [ ])
      )
      // (if network == "any" then { } else { IPAddressAllow = "localhost"; })
      // {
        RestrictAddressFamilies = restricted.RestrictAddressFamilies ++ [
          "AF_INET"
          "AF_INET6"
        ];
      };
  hardening =
    # Not where the client by itself keeps its store.
    if user then
      {
        CacheDirectory = "nix-gocacheprog-builds";
        NoNewPrivileges = true;
        UMask = "0022";
      }
    else
      ofSystem
      // (
        if host then
          {
            DynamicUser = false;
            User = "nix-gocacheprog";
            Group = "nix-gocacheprog";
          }
        else
          { }
      );
  # Of each socket. A service that ends because its settings are wrong has to go on once they are right: it is started once for a
  # connection, and one that it did not take is closed when it ends, or would start it again without end.
  ofSocket = {
    FlushPending = true;
    TriggerLimitIntervalSec = 0;
    # So that nothing is in /run after a removal, and no file looks like a socket at which a program listens.
    RemoveOnStop = true;
  };
  ofHost = {
    nix-gocacheprog-host = {
      description = "Go's build cache for go commands outside of sandboxes";
      wantedBy = [ "sockets.target" ];
      socketConfig = ofSocket // {
        ListenStream = "/run/nix-gocacheprog-host.sock";
        # Everyone's; each session gets a socket that hears its own user only.
        SocketMode = "0666";
        # By this name the daemon knows it.
        FileDescriptorName = "host";
        Service = "nix-gocacheprog.service";
      };
    };
  };
  # For every user who asks what the cache does. Not below the directory of the control socket, which is closed to others.
  ofStatus = {
    nix-gocacheprog-status = {
      description = "Go's build cache for Nix builds: status socket for all users";
      wantedBy = [ "sockets.target" ];
      socketConfig = ofSocket // {
        ListenStream = "/run/nix-gocacheprog-status.sock";
        SocketMode = "0666";
        # By this name the daemon knows it.
        FileDescriptorName = "status";
        Service = "nix-gocacheprog.service";
      };
    };
  };
  # The only process with network and credentials. The daemon alone reaches its socket, as a member of the group. The group's name is
  # not that of the service: systemd makes no user where a group has its name.
  remoteGroup = "nix-gocacheprog-remote-socket";
  # A file that is not there is an empty credential: with the first line alone the unit would not start.
  credential = name: path: {
    LoadCredential = "${name}:${path}";
    SetCredential = "${name}:\\n";
  };
  remoteSockets =
    if remote == null then
      { }
    else
      {
        nix-gocacheprog-remote = {
          description = "Go's build cache: the remote store, for the daemon";
          wantedBy = [ "sockets.target" ];
          socketConfig = ofSocket // {
            ListenStream = "/run/nix-gocacheprog-remote.sock";
            SocketGroup = remoteGroup;
            SocketMode = "0660";
          };
        };
      };
  remoteServices =
    if remote == null then
      { }
    else
      {
        nix-gocacheprog-remote = {
          description = "Go's build cache: the remote store";
          requires = [ "nix-gocacheprog-remote.socket" ];
          after = [
            "nix-gocacheprog-remote.socket"
            "network.target"
          ];
          # Both read the settings when they start.
          unitConfig = {
            PartOf = "nix-gocacheprog.service";
            StartLimitIntervalSec = 0;
          };
          serviceConfig =
            builtins.removeAttrs restricted [
              "CacheDirectory"
              "CacheDirectoryMode"
              "PrivateNetwork"
              "IPAddressDeny"
            ]
            // {
              ExecStart = "${remote.program} serve --idle-exit 300";
              StandardInput = "socket";
              StandardOutput = "journal";
              RestrictAddressFamilies = [
                "AF_UNIX"
                "AF_INET"
                "AF_INET6"
              ];
              # Four streams, each with a file of the largest size that is put.
              MemoryMax = "512M";
              SystemCallFilter = [
                "@system-service"
                "~@privileged"
                "~@resources"
              ];
            }
            // (if remote ? credentials then credential "remote" remote.credentials else { });
        };
      };
  # It serves go commands at an address of this machine, and asks upstreams. Each of these users may use the passwords in its netrc.
  modproxyName = "nix-gocacheprog-modproxy";
  modproxyHardening =
    if user then
      {
        NoNewPrivileges = true;
        UMask = "0022";
      }
    else
      builtins.removeAttrs restricted [
        "CacheDirectoryMode"
        "PrivateNetwork"
        "IPAddressDeny"
      ]
      // {
        CacheDirectory = modproxyName;
        RestrictAddressFamilies = [
          "AF_UNIX"
          "AF_INET"
          "AF_INET6"
        ];
      }
      // (
        if modproxy.offline or false then
          {
            IPAddressDeny = "any";
            IPAddressAllow = "localhost";
          }
        else
          { }
      );
  modproxyServices =
    if modproxy == null then
      { }
    else
      {
        ${modproxyName} = {
          description = "Go module proxy that downloads each module once";
          wantedBy = [ (if user then "default.target" else "multi-user.target") ];
          # A user's own keeps modules in the store of the client.
          serviceConfig = {
            Type = "exec";
            ExecStart = builtins.concatStringsSep " " (
              [
                modproxy.program
                "serve"
              ]
              ++ (
                if user then
                  [ ]
                else
                  [
                    "--store"
                    "%C/${modproxyName}/store"
                  ]
              )
              ++ (if modproxy.offline or false then [ "--offline" ] else [ ])
              ++ modproxy.options or [ ]
            );
            # Downloads are files here until they are whole; /tmp may be memory.
            Environment =
              (if user then [ ] else [ "TMPDIR=%C/${modproxyName}" ])
              ++ [ "MALLOC_ARENA_MAX=2" ]
              ++ modproxy.environment or [ ]
              ++ (if modproxy.netrc or null == null then [ ] else [ "NETRC=%d/netrc" ]);
            # Its URL is in a file here, for `cacheprogctl status`.
            RuntimeDirectory = modproxyName;
            Restart = "on-failure";
            RestartSec = 2;
            # Connections, and a file for each.
            LimitNOFILE = 4096;
          }
          // modproxyHardening
          // (if modproxy ? environmentFile then { EnvironmentFile = modproxy.environmentFile; } else { })
          // (if modproxy.netrc or null == null then { } else credential "netrc" modproxy.netrc);
        }
        // (if user then { } else { after = [ "network.target" ]; });
      };
  ofDaemonWithRemote =
    if remote == null then
      { }
    else
      {
        SupplementaryGroups = [ remoteGroup ];
      }
      // (if remote ? secretKey then credential "remote-secret-key" remote.secretKey else { });
  sockets = [
    "nix-gocacheprog.socket"
  ]
  ++ (if user then [ ] else [ "nix-gocacheprog-status.socket" ])
  ++ (if host then [ "nix-gocacheprog-host.socket" ] else [ ]);
in
{
  inherit remoteGroup;

  sockets =
    (if host then ofHost else { })
    // (if user then { } else ofStatus)
    // remoteSockets
    // {
      nix-gocacheprog = {
        description = "Go's build cache for Nix builds: control socket of the pre-build-hook";
        wantedBy = [ "sockets.target" ];
        socketConfig = ofSocket // {
          ListenStream =
            if user then "%t/nix-gocacheprog/control.sock" else "/run/nix-gocacheprog/control.sock";
          # The hook is root's, or its user's own. Sandboxes have sockets of their own.
          SocketMode = "0600";
          DirectoryMode = "0700";
        };
      };
    };

  services =
    remoteServices
    // modproxyServices
    // {
      nix-gocacheprog = {
        description = "Go's build cache for Nix builds";
        # Its socket starts it, and it stops when it is idle.
        requires = [ "nix-gocacheprog.socket" ];
        after = sockets;
        # A failing daemon is restarted without end: if systemd gave the unit up, its socket would fail with it.
        unitConfig.StartLimitIntervalSec = 0;
        serviceConfig = {
          Type = "notify";
          ExecStart = "${program} serve --idle-exit 600";
          Restart = "on-failure";
          RestartSec = 2;
          # Wrong settings (cacheprogd: error.rs). The next connection starts it again.
          RestartPreventExitStatus = 78;
          # Its loop reports at least once a second; a slow disk may block it for a while.
          WatchdogSec = 120;
          TimeoutStopSec = 20;
          # A live build has a socket and two descriptors, a session one.
          LimitNOFILE = 65536;
          # glibc gives threads up to eight heaps a processor, and each keeps the most that it ever had (mallopt(3)): after thousands
          # of builds that is many times what the daemon needs. Case `many-builds` measures it.
          Environment = "MALLOC_ARENA_MAX=2";
        }
        // hardening
        // ofDaemonWithRemote
        // (if user then { } else { Sockets = sockets; });
      };
    };
}
