# The small program (programs/small), built by program.nix: seconds, for tests that need a real build and no big one.
# `src` may be another copy of it, edited by the test; it is taken into the store under a fixed name, because the name is
# the directory it is unpacked to. `extra` goes to the derivation. `plain` builds with plain sharing in the cache's place: the
# client with a store of everyone's at /plain (lib/case.sh), which shares each entry under Go's own keys. It is there to
# show what would be wrong without our rules.
{ gosdk
, src ? ../programs/small
, overlay ? null
, plain ? false
, withHook ? overlay != null && !plain
, version ? "1"
, pname ? "small"
, extra ? { }
, stub ? { }
}:
import ./program.nix ({
  inherit gosdk overlay withHook stub version;
  src = builtins.path { name = "small-source"; path = src; };
  inherit pname;
} // (if plain then { GOCACHEPROG = "/plain/client --store /plain/store"; } else { }) // extra)
