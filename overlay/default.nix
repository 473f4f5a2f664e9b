# The additive overlay: it adds the setup hook and changes no package. A Go package uses the cache with
#   nativeBuildInputs = [ nixGocacheprogHook ];
final: _prev: {
  # The pre-build-hook knows a build that wants the cache by this name: frozen.
  nixGocacheprogHook = final.makeSetupHook { name = "nix-gocacheprog-hook"; } ./setup-hook.sh;
}
