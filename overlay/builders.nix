# Adds the setup hook to the packages of all builders of Go packages: buildGoModule, buildGo126Module, buildGoLatestModule,
# gomod2nix' buildGoApplication. Both overlays use it. For a builder that it removed, nixpkgs has an alias that throws on use; it
# still throws here, with nixpkgs' own message (docs/facts/nix.md, "Go in nixpkgs"). Nothing here is evaluated before it is used.
final: prev:
let
  inherit (final) lib;
  hookName = "nix-gocacheprog-hook";
  # When cross compiling this is the hook for the build platform, as for all nativeBuildInputs.
  hook = (final.buildPackages or final).nixGocacheprogHook;

  # A package gets the hook once: an alias of a builder is wrapped twice, and a package may have the hook already.
  withHook =
    inputs:
    if builtins.any (input: input.name or "" == hookName) inputs then inputs else inputs ++ [ hook ];

  withGocacheprog =
    package:
    package.overrideAttrs (
      _: old:
      {
        nativeBuildInputs = withHook (old.nativeBuildInputs or [ ]);
      }
      // lib.optionalAttrs (old ? src) { src = import ./source-name.nix old.src; }
    );

  # A builder is a function of a set or of `finalAttrs:`, and most have `.override`. `change` gets the builder and a package of it.
  wrap =
    change: build:
    {
      __functor = _: args: change build (build args);
      __functionArgs = lib.functionArgs build;
    }
    // lib.optionalAttrs (build ? override) { override = args: wrap change (build.override args); };
  layered = build: import ./layered { inherit final build; };

  # Go 1.21 to 1.23 use cache programs only if they are built with this experiment (cmd/go/internal/cache/default.go).
  experimental =
    name:
    let
      series = builtins.match "buildGo1([0-9]+)Module" name;
      toolchain =
        if series != null then
          "go_1_${builtins.head series}"
        else if name == "buildGoModule" then
          "go"
        else
          null;
      go = prev.${toolchain};
      isOld = lib.versionAtLeast go.version "1.21" && lib.versionOlder go.version "1.24";
    in
    build:
    if toolchain != null && prev ? ${toolchain} && build ? override && isOld then
      build.override {
        go = go.overrideAttrs (_: {
          GOEXPERIMENT = "cacheprog";
        });
      }
    else
      build;
in
{
  inherit withGocacheprog;
  names = builtins.filter (
    name: builtins.match "buildGo([0-9]+|Latest)?Module|buildGoApplication" name != null
  ) (builtins.attrNames prev);
  isOfModules = name: builtins.match "buildGo.*Module" name != null;
  cached =
    name:
    let
      build = prev.${name};
    in
    builtins.seq build (wrap (_: withGocacheprog) (experimental name build));
  layered =
    name:
    let
      build = prev.${name};
    in
    builtins.seq build (wrap layered (experimental name build));
}
