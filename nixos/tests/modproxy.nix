# The module proxy as a service, without the daemon: what it fetched once is there without its upstream, and with `offline` after a
# restart.
{ pkgs, package }:
let
  file = "example.test/m/@v/v1.0.0.mod";
  files = pkgs.writeTextDir file "module example.test/m\n";
in
{
  name = "nix-gocacheprog-modproxy";
  nodes.machine = {
    imports = [ ../module.nix ];
    services.nix-gocacheprog = {
      inherit package;
      modproxy = {
        enable = true;
        upstream = "http://127.0.0.1:8000";
        checksumDatabase = "off";
      };
    };
    systemd.services.upstream = {
      wantedBy = [ "multi-user.target" ];
      serviceConfig.ExecStart = "${pkgs.python3}/bin/python3 -m http.server --bind 127.0.0.1 --directory ${files} 8000";
    };
    specialisation.offline.configuration.services.nix-gocacheprog.modproxy.offline = true;
    environment.systemPackages = [ pkgs.curl ];
  };
  testScript = ''
    machine.wait_for_open_port(8000)
    machine.wait_for_open_port(9416)
    machine.succeed("curl -sf http://127.0.0.1:9416/healthz")
    machine.succeed("curl -sf http://127.0.0.1:9416/${file}")
    machine.wait_until_succeeds("curl -sf http://127.0.0.1:9416/metrics | grep '^gocacheprog_modproxy_cache_entries 1'")
    machine.succeed("systemctl stop upstream.service")
    machine.succeed("curl -sf http://127.0.0.1:9416/${file}")
    machine.succeed("/run/current-system/specialisation/offline/bin/switch-to-configuration test")
    machine.wait_for_open_port(9416)
    machine.succeed("curl -sf http://127.0.0.1:9416/${file}")
    machine.succeed("curl -sf http://127.0.0.1:9416/metrics | grep '^gocacheprog_modproxy_offline 1'")
  '';
}
