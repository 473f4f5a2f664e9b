# What both overlays promise, as a set of named assertions: `nix-instantiate --eval --strict` prints it; each must be true.
# `packages` is a function from overlays to a package set: the stub's, or the real nixpkgs'. `functions` tells whether its
# buildGoModule takes `finalAttrs:`, as nixpkgs' does since 25.05.
{
  packages,
  functions ? true,
}:
let
  additive = import ../../overlay/default.nix;
  intercepting = import ../../overlay/intercept.nix;
  # Builders as other overlays and other releases of nixpkgs have them, of series that are no nixpkgs' default: buildGoModule is an
  # alias of that one's builder.
  others = final: prev: {
    buildGo117Module = throw "buildGo117Module was removed";
    buildGoApplication = args: prev.buildGoModule args;
    go_1_21 = final.stdenv.mkDerivation {
      name = "go-1.21.13";
      version = "1.21.13";
    };
    buildGo121Module = final.lib.makeOverridable (
      { go }:
      args:
      final.stdenv.mkDerivation (
        args
        // {
          inherit go;
          name = "old";
        }
      )
    ) { go = final.go_1_21; };
  };
  # As nixpkgs makes buildGoModule.
  alias = final: prev: {
    buildGo199Module = prev.buildGoModule;
    buildGoModule = final.buildGo199Module;
  };
  plain = packages [ others ];
  pkgs = packages [
    others
    additive
  ];
  all = packages [
    others
    intercepting
  ];

  set = {
    pname = "p";
    version = "1";
    src = ./.;
    vendorHash = null;
  };
  called =
    if functions then
      (
        finalAttrs:
        set
        // {
          passthru = {
            self = finalAttrs.pname;
          };
        }
      )
    else
      set;
  hooks =
    package:
    builtins.length (
      builtins.filter (input: input.name or "" == "nix-gocacheprog-hook") package.nativeBuildInputs
    );
  more =
    package:
    package.overrideAttrs (old: {
      nativeBuildInputs = old.nativeBuildInputs ++ [ pkgs.stdenv ];
    });
  fails = value: !(builtins.tryEval value).success;
  same = a: b: a.drvPath == b.drvPath;
  old = pkgs.buildGo121ModuleCached { };
in
{
  "the additive overlay changes no package" = same (plain.buildGoModule set) (pkgs.buildGoModule set);
  "a set of arguments" = hooks (pkgs.buildGoModuleCached set) == 1;
  "a function of arguments" = hooks (pkgs.buildGoModuleCached called) == 1;
  "the derivation differs by the hook only" = same (pkgs.withGocacheprog (plain.buildGoModule set)) (
    pkgs.buildGoModuleCached set
  );
  "override stays, and its result is wrapped" =
    hooks ((pkgs.buildGoModuleCached.override { inherit (pkgs) go; }) set) == 1;
  "overrideAttrs afterwards" = hooks (more (pkgs.buildGoModuleCached set)) == 1;
  "the arguments' names stay" =
    pkgs.lib.functionArgs pkgs.buildGoModuleCached == pkgs.lib.functionArgs plain.buildGoModule;
  "a package that has the hook gets it once" =
    hooks (pkgs.buildGoModuleCached (set // { nativeBuildInputs = [ pkgs.nixGocacheprogHook ]; })) == 1;
  "withGocacheprog" = hooks (pkgs.withGocacheprog (pkgs.buildGoModule set)) == 1;
  "withGocacheprog twice" =
    hooks (pkgs.withGocacheprog (pkgs.withGocacheprog (pkgs.buildGoModule set))) == 1;
  "gomod2nix" = hooks (pkgs.buildGoApplicationCached set) == 1;
  "a removed builder is there and throws when it is used" =
    pkgs ? buildGo117ModuleCached && fails pkgs.buildGo117ModuleCached && fails all.buildGo117Module;
  "Go 1.21 is built with the experiment" = old.go.GOEXPERIMENT or "" == "cacheprog" && hooks old == 1;
  "a newer Go is left alone" = !((pkgs.buildGoModuleCached set).go or pkgs.go ? GOEXPERIMENT);
  "a package of an alias gets the hook once" =
    hooks (
      (packages [
        others
        alias
        additive
      ]).buildGoModuleCached
        set
    ) == 1
    &&
      hooks (
        (packages [
          others
          alias
          intercepting
        ]).buildGoModule
          set
      ) == 1;
  "an alias has layers" =
    (packages [
      others
      alias
      additive
    ]).buildGoModuleLayered
      set ? goCache;
  "the intercepting overlay wraps each builder" =
    hooks (all.buildGoModule set) == 1
    && hooks (all.buildGoModule called) == 1
    && hooks (all.buildGoApplication set) == 1;
  "and has the additive one's names" = hooks (all.buildGoModuleCached set) == 1;
  "and changes nothing else" = same plain.go all.go && same plain.stdenv all.stdenv;
}
