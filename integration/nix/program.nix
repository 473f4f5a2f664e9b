# The derivation of a Go program under test, by the stand-in's buildGoModule: the one place where tests and demo say how
# a program is built. With the hook, `nixGocacheprogHook` of the project's overlay is among its nativeBuildInputs, and
# that is the only difference. Everything not named here goes to buildGoModule as it is (subPackages, ldflags, env, …).
# `standin` holds further arguments of the stand-in (ccFlags, ldFlags, cgoEnabled).
{ src
, goModules ? null
, gosdk
, overlay ? null
, withHook ? true
, pname ? "program"
, version ? "1"
, nativeBuildInputs ? [ ]
, standin ? { }
, ...
}@args:
let
  pkgs = import ../standin (standin // { inherit gosdk overlay; });
  extra = removeAttrs args [ "src" "goModules" "gosdk" "overlay" "withHook" "standin" ];
  modules = if goModules == null then { vendorHash = null; } else { inherit goModules; };
in
pkgs.buildGoModule (extra // modules // {
  inherit src pname version;
  nativeBuildInputs = nativeBuildInputs ++ pkgs.lib.optional withHook pkgs.nixGocacheprogHook;
})
