# The derivation of a Go program under test, by the stub's buildGoModule: the one place where tests and demo say how
# a program is built. With the hook, `nixGocacheprogHook` of the project's overlay is among its nativeBuildInputs, and
# that is the only difference. Everything not named here goes to buildGoModule as it is (subPackages, ldflags, env, …).
# `stub` holds further arguments of the stub (ccFlags, ldFlags, cgoEnabled). `nixpkgs` (a path) takes the stub's
# place where there is one, with its own Go; `builder` is the builder's name; `pkgs` (a package set with the overlay in it) takes that of both.
{
  src,
  goModules ? null,
  gosdk,
  overlay ? null,
  withHook ? true,
  builder ? "buildGoModule",
  pname ? "program",
  version ? "1",
  nativeBuildInputs ? [ ],
  stub ? { },
  nixpkgs ? null,
  pkgs ?
    if nixpkgs == null then
      import ../nixpkgs_stub (stub // { inherit gosdk overlay; })
    else
      import nixpkgs { overlays = if overlay == null then [ ] else [ (import overlay) ]; },
  ...
}@args:
let
  extra = removeAttrs args [
    "src"
    "goModules"
    "gosdk"
    "overlay"
    "withHook"
    "stub"
    "nixpkgs"
    "pkgs"
    "builder"
  ];
  # The real buildGoModule takes modules from its own fetcher or from the source.
  modules =
    if goModules == null then
      {
        inherit src;
        vendorHash = null;
      }
    else if nixpkgs == null then
      { inherit src goModules; }
    else
      {
        vendorHash = null;
        src = pkgs.runCommand (src.name or "source"
        ) { } "cp -r ${src} $out; chmod u+w $out; cp -r ${goModules} $out/vendor";
      };
in
pkgs.${builder} (
  extra
  // modules
  // {
    inherit pname version;
    nativeBuildInputs = nativeBuildInputs ++ (if withHook then [ pkgs.nixGocacheprogHook ] else [ ]);
  }
)
