# The additive overlay: it adds the setup hook and changes no package. A Go package uses the cache with
#   nativeBuildInputs = [ nixGocacheprogHook ];
final: _prev: {
  # The pre-build-hook knows a build that wants the cache by this name: frozen.
  nixGocacheprogHook = final.makeSetupHook { name = "nix-gocacheprog-hook"; } ./setup-hook.sh;

  # For what fetches modules one by one without phases, as gomod2nix does: a stdenv whose fixed outputs have the host's module
  # proxy. gomod2nix' builder takes it as an argument:
  #   callPackage "${gomod2nix}/builder" { stdenvNoCC = nixGocacheprogFetching stdenvNoCC; ... }
  nixGocacheprogFetching = stdenv: stdenv // {
    mkDerivation = attrs:
      if builtins.isFunction attrs || !(attrs ? outputHash) then stdenv.mkDerivation attrs
      else stdenv.mkDerivation (attrs // {
        nativeBuildInputs = attrs.nativeBuildInputs or [ ] ++ [ final.nixGocacheprogHook ];
        # The stdenv's setup ends with it, whoever sources that.
        postHook = (attrs.postHook or "") + "\nnixGocacheprog preBuild\n";
      });
  };
}
