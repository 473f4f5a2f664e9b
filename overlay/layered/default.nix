# buildGoModuleLayered: a package whose dependencies are compiled in derivations of their own, layers, without a daemon or a hook. It
# takes the arguments of buildGoModule. A layer depends on the modules (goModules, fixed by vendorHash), on Go, and on what of the
# package's environment is in Go's keys, and on no source of the package: an edit leaves it as it is, and any binary cache can carry it.
#   passthru.goCache     the layer of the package's modules
#   passthru.goCacheStd  the layer of the standard library, which packages with the same Go and the same flags share
#   passthru.goCacheOwn  the layer of the package's own packages in layerSource, or null
# It reads three attributes of passthru (docs/how-to/without-a-daemon.md):
#   layerSource           an earlier source of the package, so that only what differs from it is compiled
#   layerPackages         with proxyVendor, the packages to compile, as patterns of go build
#   layerSourceDirectory  the directory into which src is unpacked, where its name does not tell
# arguments.nix refuses others that begin with `layer`.
# A function of the package set, of the builder and of a package of that builder; returns the package.
{ final, build }:
let
  inherit (final) lib;
  programs = (final.buildPackages or final).nix-gocacheprog-dynamic;
  layerOf = import ./layer.nix { inherit lib programs; };
  modulesOf = import ./modules.nix { inherit lib; };

  # An internal package is compiled with what imports it; that one is of all tests. What few programs import would make a first build
  # longer.
  stdPackages = "echo testing/internal/testdeps; go list std | grep -Ev '(^|/)internal(/|$)|^(vendor|debug|go|image|testing)/|^image$'";

  # What is in the keys of the standard library's packages: these variables, and GOFLAGS; and these tags and flags.
  variables = [
    "CGO_ENABLED"
    "GO386"
    "GOAMD64"
    "GOARCH"
    "GOARM"
    "GOARM64"
    "GOEXPERIMENT"
    "GOFIPS140"
    "GOFLAGS"
    "GOMIPS"
    "GOMIPS64"
    "GOOS"
    "GOPPC64"
    "GORISCV64"
    "GOWASM"
  ];
  stdTags = [
    "faketime"
    "netcgo"
    "netgo"
    "osusergo"
    "purego"
    "timetzdata"
  ];
  stdCheckFlags = [
    "-race"
    "-msan"
    "-asan"
  ];

  # The layer of the standard library. Of the package it has no more than that, so that packages share it.
  std =
    package:
    let
      value = name: package.${name} or (package.env.${name} or null);
      export =
        name:
        lib.optionalString (
          value name != null
        ) "export ${name}=${lib.escapeShellArg (toString (value name))}\n";
      words =
        attribute:
        lib.splitString " " (
          builtins.replaceStrings [ "," ] [ " " ] (toString (package.${attribute} or ""))
        );
      # Empty, it would be one more variable, which counts for C.
      knownWords =
        attribute: known:
        let
          found = lib.filter (word: lib.elem word known) (words attribute);
        in
        lib.optionalAttrs (found != [ ]) { ${attribute} = found; };
      withoutSource = build (
        {
          pname = "go-std";
          version = package.go.version or "layer";
          src = null;
          vendorHash = null;
          doCheck = package.doCheck or true;
        }
        // knownWords "tags" stdTags
        // knownWords "checkFlags" stdCheckFlags
      );
      modules = modulesOf withoutSource;
    in
    layerOf withoutSource {
      name = "go-std-layer";
      inherit (modules) flags;
      prepare = modules.prepare + lib.concatMapStrings export variables;
      packages = stdPackages;
      lower = [ ];
    };

  # The layer of a package's modules. Packages of the standard library that are C are in it too, where the package's environment is
  # another one.
  ofModules =
    package:
    let
      modules = modulesOf package;
    in
    layerOf package {
      name = "${lib.getName package}-go-layer";
      inherit (modules) prepare flags;
      packages = "${stdPackages}; ${modules.packages}";
      lower = [ (std package) ];
    };

  # The layer of an earlier source, made ready by the package's own phases.
  ofSource =
    package:
    layerOf package {
      name = "${lib.getName package}-go-layer-of-source";
      source = package.layerSource;
      prepare = ''
        ${package.unpackPhase or "unpackPhase"}
        cd "''${sourceRoot:-.}"
        ${package.patchPhase or "patchPhase"}
        ${package.configurePhase}
        runHook preBuild
      '';
      packages = "echo ./... | compilable";
      lower = [
        (ofModules package)
        (std package)
      ];
    };
in
package:
package.overrideAttrs (
  finalAttrs: old:
  let
    # As later overrides change it.
    package = import ./arguments.nix { inherit lib; } finalAttrs finalAttrs.finalPackage;
    goCache = ofModules package;
    goCacheStd = std package;
    goCacheOwn = if package.layerSource or null != null then ofSource package else null;
    layers = lib.optional (goCacheOwn != null) goCacheOwn ++ [
      goCache
      goCacheStd
    ];
  in
  import ./stable-names.nix { inherit lib; } finalAttrs old
  // {
    env = old.env or { } // {
      GOCACHEPROG = "${programs}/bin/cacheprog-client --lower ${lib.concatStringsSep ":" layers}";
    };
    passthru = old.passthru or { } // {
      inherit goCache goCacheStd goCacheOwn;
    };
  }
)
