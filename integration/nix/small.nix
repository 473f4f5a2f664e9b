# The small program (programs/small), built by program.nix: seconds, for tests that need a real build and no big one.
# `src` may be another copy of it, edited by the test; it is taken into the store under a fixed name, because the name is
# the directory it is unpacked to. `extra` goes to the derivation.
{ gosdk
, src ? ../programs/small
, overlay ? null
, withHook ? overlay != null
, version ? "1"
, extra ? { }
, standin ? { }
}:
import ./program.nix ({
  inherit gosdk overlay withHook standin version;
  src = builtins.path { name = "small-source"; path = src; };
  pname = "small";
} // extra)
