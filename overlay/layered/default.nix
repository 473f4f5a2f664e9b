# buildGoModuleLayered: a package whose dependencies are compiled in derivations of their own, layers, without a daemon or a hook. It
# takes the arguments of buildGoModule. A layer depends on the modules (goModules, fixed by vendorHash), on Go, and on what of the
# package's environment is in Go's keys, and on no source of the package: an edit leaves it as it is, and any binary cache can carry it.
#   passthru.goCache     the layer of the package's modules
#   passthru.goCacheStd  the layer of the standard library, which packages with the same Go and the same flags share
# It reads two attributes of passthru (docs/how-to/without-a-daemon.md):
#   layerPackages         with proxyVendor, the packages to compile, as patterns of go build
#   layerSourceDirectory  the directory into which src is unpacked, where its name does not tell
# A function of the package set, of the builder and of a package of that builder; returns the package.
{ final, build }:
let
  inherit (final) lib;
  programs = (final.buildPackages or final).nix-gocacheprog;
  as-layer = import ./as-layer.nix { inherit lib programs; };

  # What is in the keys of the standard library's packages: its variables, and of its flags and tags those of no module.
  variables = [
    "CGO_ENABLED" "GO386" "GOAMD64" "GOARCH" "GOARM" "GOARM64" "GOEXPERIMENT" "GOFIPS140" "GOMIPS" "GOMIPS64" "GOOS" "GOPPC64" "GORISCV64"
    "GOWASM"
  ];
  tags = [ "faketime" "netcgo" "netgo" "osusergo" "purego" "timetzdata" ];
  checkFlags = [ "-race" "-msan" "-asan" ];

  # The layer of the standard library. Of the package it has no more than that, so that packages share it.
  std = package:
    let
      value = name: package.${name} or (package.env.${name} or null);
      export = name: value: lib.optionalString (value != null) "export ${name}=${lib.escapeShellArg (toString value)}\n";
      those = known: attribute:
        let found = lib.filter (one: lib.elem one known) (lib.toList (package.${attribute} or [ ])); in
        lib.optionalAttrs (found != [ ]) { ${attribute} = found; };
      bare = build ({
        pname = "go-std";
        version = package.go.version or "layer";
        src = null;
        vendorHash = null;
        doCheck = package.doCheck or true;
      } // those tags "tags" // those checkFlags "checkFlags");
    in
    bare.overrideAttrs (as-layer bare {
      name = "go-std-layer";
      directory = "source";
      goMod = ''
        echo 'module layer.invalid/std' > go.mod
        ${lib.concatMapStrings (name: export name (value name)) variables}${export "GOFLAGS" (value "GOFLAGS")}
      '';
      packages = "echo std";
      lower = [ ];
    });

  # The layer of a package's modules. Packages of the standard library that are C are in it too, where the package's environment is
  # another one.
  ofModules = package: modules:
    package.overrideAttrs (as-layer package {
      inherit (modules) directory isVendored goMod;
      name = "${lib.getName package}-go-layer";
      packages = "echo std; ${modules.packages}";
      lower = [ (std package) ];
    });
in
package:
package.overrideAttrs (finalAttrs: old:
  let
    # As later overrides change it.
    package = finalAttrs.finalPackage;
    modules = import ./modules.nix { inherit lib; } package;
    goCache = ofModules package modules;
    goCacheStd = std package;
  in
  {
    goModules = modules.withFixedName old.goModules;
    env = old.env or { } // {
      GOCACHEPROG = "${programs}/bin/cacheprog-client --lower ${goCache}:${goCacheStd}";
    };
    passthru = old.passthru or { } // { inherit goCache goCacheStd; };
  })
