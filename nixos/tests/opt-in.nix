# A Go package with the setup hook: cold, then warm as another user; the daemon is started by its socket, and is restarted
# in the middle of a build.
{ pkgs, package }:
{
  name = "nix-gocacheprog-opt-in";
  nodes.machine = import ./lib/machine.nix { inherit pkgs package; };
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
    warm = build(2, "bob")
    assert warm["hits"] > 100 and warm["puts"] < cold["puts"] / 2, warm
    machine.succeed("systemctl restart nix-gocacheprog.service")
    after = build(3, "alice")
    assert after["hits"] > 100, after
    machine.succeed("su - alice -c 'cacheprogctl status'")
  '';
}
