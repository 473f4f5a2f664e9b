# Types of the texts that the daemon and modproxy parse (crates/settings; crates/store/src/evict/limits.rs): evaluation refuses what the
# programs would refuse later. `description` is what the module system's error message tells: what to write.
{ lib }:
let
  matching = description: pattern: lib.types.strMatching pattern // { inherit description; };
  bytes = "[0-9]+([.][0-9]+)? *[kKmMgGtTpP]?i?[bB]?";
  size = "${bytes}|([1-9]|[1-8][0-9]|90)%(, at most ${bytes})?";
  time = "([0-9]+ *(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|M|months?|y|years?) *)+";
  # 65535 at most.
  port = "([0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
  # What has digits and dots alone is an address, of four parts.
  host = "[0-9]+([.][0-9]+){3}|[0-9.]*[A-Za-z-][A-Za-z0-9.-]*";
  thisMachine = "localhost|127[.][0-9]+[.][0-9]+[.][0-9]+|[[]::1[]]";
  server = "https://([A-Za-z0-9.-]+|[[][0-9A-Fa-f:.]+[]])(:${port})?|http://(${thisMachine})(:${port})?";
  bucket = "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]";
  prefix = "(/[A-Za-z0-9_.~-]+)*/?";
in
{
  size = matching ''size such as "20GiB", or percentage of the disk such as "10%, at most 50GiB"'' size;
  sizeOrNone = matching ''size such as "20GiB", percentage of the disk such as "10%, at most 50GiB", or "none"'' "none|${size}";
  bytes = matching ''size such as "20GiB"'' bytes;
  time = matching ''time such as "30d" or "12h"'' time;
  timeOrNone = matching ''time such as "60d" or "12h", or "none"'' "none|${time}";

  # As in crates/settings/src/listen.rs. `network` of units.nix goes by it.
  http = matching ''ADDRESS:PORT such as "localhost:9417", or absolute path of a socket'' "/.*[^/]|(${host}|[[][0-9A-Fa-f:.]+[]]):${port}";
  socketOrNone = matching ''absolute path of a socket, or "none"'' "none|/.*[^/]";
  # What modproxy accepts (crates/modproxy/src/cli.rs): every user of the machine may use it, and no other machine.
  loopback = matching ''address of this machine alone, with a port, such as "127.0.0.1:9416"'' "(${thisMachine}):${port}";

  # As in crates/settings/src/trust.rs and remote.rs.
  principal = matching ''name or number of a user as a text, such as "alice" or "1000", "@" and the name of a group, or "*"'' "[*]|@?[^[:space:]:,@*]+";
  publicKey = matching "public key as Nix writes it, NAME:BASE64" "[^:[:space:]]+:[A-Za-z0-9+/]+=*";
  # As in crates/remote/src/url.rs: without TLS on this machine alone.
  remoteUrl = matching ''URL such as "s3://BUCKET/PREFIX" or "https://HOST/PREFIX"'' "(s3://${bucket}|${server})${prefix}";
  endpoint = matching ''address of a server such as "https://HOST", without a path'' "(${server})/?";
  region = matching ''region such as "eu-central-1"'' "[A-Za-z0-9-]{1,63}";

  # As a text: a path of Nix would be copied into the store, where all users read it.
  secretFile = matching "absolute path, as a text: Nix copies a path that is no text into its store, where all users read it" "/.*";
  layer = matching "absolute path, as a text: packages go to services.nix-gocacheprog.layers" "/.*";

  # The list begins with a server, or there is nothing to cache (crates/modproxy/src/proxy.rs).
  goproxy = matching ''list as in GOPROXY that begins with a server, such as "https://proxy.golang.org,direct"'' "https?://[^[:space:]]+|[A-Za-z0-9-]+[.][^[:space:]]+";
}
