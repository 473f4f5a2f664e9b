# The small program (programs/small), built by program.nix: seconds, for tests that need a real build and no big one.
# `src` may be another copy of it, edited by the test; it is taken into the store under a fixed name, because the name is
# the directory it is unpacked to. `extra` goes to the derivation. `naive` replaces the cache by naive sharing
# (lib/shared.sh): a store at /naive that shares each entry under Go's own keys. It shows what would be wrong without our rules.
{
  gosdk,
  src ? ../programs/small,
  overlay ? null,
  naive ? false,
  withHook ? overlay != null && !naive,
  version ? "1",
  pname ? "small",
  extra ? { },
  stub ? { },
}:
import ./program.nix (
  {
    inherit
      gosdk
      overlay
      withHook
      stub
      version
      ;
    src = builtins.path {
      name = "small-source";
      path = src;
    };
    inherit pname;
  }
  // (if naive then { GOCACHEPROG = "/naive/client /naive/store"; } else { })
  // extra
)
