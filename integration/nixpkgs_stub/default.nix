# A stub of nixpkgs: the few attributes that a Go package and the project's overlay use, made of the tools of the host, so that the
# integration tests and the demo need only Nix. It behaves like nixpkgs in everything that a build cache can notice (phases,
# hooks, environment, mtimes, the `go` commands that run). It is not made for building software for use.
# Use: import ./nixpkgs_stub { gosdk = GOROOT-or-store-path; overlay = null-or-file; }. Build with lib/nix.sh, which lets the
# host's tools into the sandbox. `overlay` may also be a function `final: prev:`, or a list of files and functions.
# ccFlags and ldFlags are baked into the compiler wrapper, where no environment variable shows them, as nixpkgs' libc is.
{
  gosdk,
  overlay ? null,
  system ? builtins.currentSystem,
  cgoEnabled ? 1,
  ccFlags ? "",
  ldFlags ? "",
}:
let
  lib = import ./lib.nix;
  shell = "/bin/bash";
  tools = import ./tools.nix { inherit system shell; };
  cc = import ./cc.nix {
    inherit (tools) runBash;
    inherit ccFlags ldFlags;
  };
  stdenv = import ./stdenv.nix {
    inherit
      lib
      system
      shell
      cc
      ;
    inherit (tools) runBash;
  };
  sdkGo = import ./go.nix {
    inherit gosdk system cgoEnabled;
    inherit (tools) runBash;
  };
  buildGoModuleWith = go: lib.makeOverridable (import ./go-module.nix) { inherit lib stdenv go; };

  # 1.26.8 -> go_1_26 and buildGo126Module, as nixpkgs names them.
  goAttr = "go_" + builtins.replaceStrings [ "." ] [ "_" ] sdkGo.series;
  builderAttr = "buildGo" + builtins.replaceStrings [ "." ] [ "" ] sdkGo.series + "Module";

  base = final: {
    inherit lib stdenv system;
    inherit (stdenv) mkDerivation cc;
    inherit (tools) writeText writeScript;
    pkgs = final;
    buildPackages = final;
    runCommand =
      name: attrs: buildCommand:
      stdenv.mkDerivation ({ inherit name buildCommand; } // attrs);
    makeSetupHook = import ./make-setup-hook.nix { inherit stdenv; };

    go = final.${goAttr};
    ${goAttr} = sdkGo;
    ${builderAttr} = buildGoModuleWith final.${goAttr};
    buildGoModule = final.${builderAttr};
    buildGoLatestModule = buildGoModuleWith final.${goAttr};
  };

  overlays =
    if overlay == null then
      [ ]
    else if builtins.isList overlay then
      overlay
    else
      [ overlay ];
  asFunction = o: if builtins.isFunction o then o else import o;
in
lib.fix (builtins.foldl' (below: o: lib.extends (asFunction o) below) base overlays)
