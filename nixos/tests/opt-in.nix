# A Go package with the setup hook: cold, then warm; a user who is not in trusted-users gets nothing of another one's builds, and all get
# what a trusted user's builds put; the daemon is started by its socket, and what it keeps outlives it.
{ pkgs, package }:
{
  name = "nix-gocacheprog-opt-in";
  nodes.machine = {
    imports = [ (import ./lib/machine.nix { inherit pkgs package; }) ];
    specialisation.trusting.configuration.nix.settings.trusted-users = [ "carol" ];
  };
  testScript = ''
    import json

    def build(version, user):
        machine.succeed(f"su - {user} -c 'nix-store --realise $(cat /etc/small-{version})'")
        status = json.loads(machine.succeed("cacheprogctl status --json"))
        return next(b for b in status["live"] + status["ended"] if b["name"] == f"small-{version}")

    machine.wait_for_unit("multi-user.target")
    machine.fail("systemctl is-active nix-gocacheprog.service")
    cold = build(1, "alice")
    assert cold["puts"] > 100, cold
    machine.succeed("systemctl is-active nix-gocacheprog.service")
    warm = build(2, "alice")
    assert warm["hits"] > 100 and warm["puts"] < cold["puts"] / 2, warm
    other = build(3, "bob")
    assert other["puts"] > cold["puts"] / 2, other
    machine.succeed("systemctl restart nix-gocacheprog.service")
    after = build(4, "alice")
    assert after["hits"] > 100 and after["puts"] < cold["puts"] / 2, after

    machine.succeed("/run/current-system/specialisation/trusting/bin/switch-to-configuration test")
    shared = build(5, "carol")
    assert shared["puts"] > cold["puts"] / 2, shared
    all_get = build(6, "dan")
    assert all_get["hits"] > 100 and all_get["puts"] < cold["puts"] / 2, all_get
    machine.succeed("su - alice -c 'cacheprogctl status'")
  '';
}
