# The units as files for systems that are not NixOS: crates/cacheprogctl/units, which `cacheprogctl install` writes. Made
# by `nixos/write-files`; case `nix-evaluation` compares. `@programs@` is where the programs lie.
let
  render =
    arguments:
    import ./render.nix (import ./units.nix ({ program = "@programs@/cacheprogd"; } // arguments));
  # On every system: its units do nothing until the settings have [remote].
  remote = {
    program = "@programs@/cacheprog-remote";
    credentials = "/etc/nix-gocacheprog/remote-credentials";
    secretKey = "/etc/nix-gocacheprog/remote-secret-key";
  };
  # Its service is installed by `cacheprogctl install --modproxy`. The file has the list of upstreams, and options.
  modproxy = {
    program = "@programs@/modproxy";
    options = [ "$MODPROXY_OPTIONS" ];
    environment = [ "MODPROXY_OPTIONS=" ];
    environmentFile = "-%E/nix-gocacheprog/modproxy.env";
  };
  # Not as a name alone: `nix-instantiate` says where each lies.
  files = builtins.mapAttrs (name: text: builtins.toFile name text);
in
{
  system = files (render {
    inherit remote;
    modproxy = modproxy // {
      netrc = "/etc/nix-gocacheprog/modproxy-netrc";
    };
  });
  user = files (render {
    user = true;
    inherit modproxy;
  });
}
