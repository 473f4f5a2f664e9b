# Transparent mode: a derivation that knows nothing of us uses the cache, and one that may not does not.
{ pkgs, package }:
{
  name = "nix-gocacheprog-transparent";
  nodes.machine = {
    imports = [
      (import ./lib/machine.nix {
        inherit pkgs package;
        plain = true;
      })
    ];
    services.nix-gocacheprog.hook = {
      mode = "transparent";
      deny = [ "small-3" ];
    };
  };
  testScript = ''
    import json

    def builds():
        status = json.loads(machine.succeed("cacheprogctl status --json"))
        return {b["name"]: b for b in status["live"] + status["ended"]}

    machine.wait_for_unit("multi-user.target")
    for version in [1, 2, 3]:
        machine.succeed(f"su - alice -c 'nix-store --realise $(cat /etc/small-{version})'")
    seen = builds()
    assert seen["small-2"]["hits"] > 50, seen
    assert "small-3" not in seen, seen
  '';
}
