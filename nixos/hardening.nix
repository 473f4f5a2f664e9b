# What the daemon's service may not do, as serviceConfig. Each line was seen in force by effect in a booted system, or is
# named in docs/explanation/security.md as not shown (case `booted-system`). What is left out has its reason here too:
# - PrivateUsers: every peer would be uid 65534, and the control socket tells root from others by its uid.
# - ProcSubset=pid hides /proc/sys/kernel/random/boot_id, by which builds of another boot are known to be over.
{
  # A user of its own that exists while it runs. Its files lie below /var/cache/private, which is closed to all but root:
  # what is in them is reached through the mounts of sandboxes only.
  DynamicUser = true;
  CacheDirectory = "nix-gocacheprog";
  # Sandboxes go through it, by names they were given.
  CacheDirectoryMode = "0711";
  UMask = "0022";

  NoNewPrivileges = true;
  CapabilityBoundingSet = "";
  AmbientCapabilities = "";
  RestrictSUIDSGID = true;
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  RestrictRealtime = true;
  RestrictNamespaces = true;
  KeyringMode = "private";
  RemoveIPC = true;

  ProtectSystem = "strict";
  ProtectHome = true;
  PrivateTmp = true;
  PrivateMounts = true;
  PrivateDevices = true;
  DevicePolicy = "closed";
  ProtectProc = "invisible";
  ProtectClock = true;
  ProtectHostname = true;
  ProtectControlGroups = true;
  ProtectKernelLogs = true;
  ProtectKernelModules = true;
  ProtectKernelTunables = true;

  # Sockets with a path are all it has, and those work across network namespaces (unix(7)).
  PrivateNetwork = true;
  IPAddressDeny = "any";
  RestrictAddressFamilies = [ "AF_UNIX" ];

  SystemCallArchitectures = "native";
  # An eviction gives way to builds: it sets its own priority.
  SystemCallFilter = [
    "@system-service"
    "~@privileged"
    "~@resources"
    "setpriority"
  ];
  # A call that is filtered fails; the default would end the daemon.
  SystemCallErrorNumber = "EPERM";
}
