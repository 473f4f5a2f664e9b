# buildGoModule as nixpkgs' is since 2025: takes a set or `finalAttrs:`, adds Go, its environment and the phases of
# go-build.sh and go-check.sh. The difference: modules are not fetched. The caller gives them as `goModules`, a vendor
# directory (or, with proxyVendor, a tree as $GOMODCACHE/cache/download); vendorHash = null means vendor/ is in src.
# Each phase is an attribute and may be replaced by the caller, as packages do.
{
  lib,
  stdenv,
  go,
}:
let
  configure =
    finalAttrs:
    ''
      runHook preConfigure
      export GOCACHE=$TMPDIR/go-cache GOPATH="$TMPDIR/go" GOPROXY=off GOSUMDB=off
      if [ -f "$NIX_CC_FOR_TARGET/nix-support/dynamic-linker" ]; then
          export GO_LDSO=$(cat $NIX_CC_FOR_TARGET/nix-support/dynamic-linker)
      fi
      cd "$modRoot"
    ''
    + lib.optionalString (finalAttrs.vendorHash != null) (
      if finalAttrs.proxyVendor then
        ''
          export GOPROXY="file://$goModules"
        ''
      else
        ''
          rm -rf vendor
          cp -r --reflink=auto "$goModules" vendor
        ''
    )
    + ''
      runHook postConfigure
    '';
  install = ''
    runHook preInstall
    mkdir -p "$out"
    if [ -e "$GOPATH/bin" ]; then cp -r "$GOPATH/bin" "$out"; fi
    runHook postInstall
  '';
in
lib.extendMkDerivation {
  constructDrv = stdenv.mkDerivation;
  excludeDrvArgNames = [
    "overrideModAttrs"
    "CGO_ENABLED"
    "GOFLAGS"
  ];
  extendDrvArgs =
    finalAttrs:
    {
      nativeBuildInputs ? [ ],
      passthru ? { },
      overrideModAttrs ? (_: _: { }),
      modRoot ? "./",
      goModules ? "",
      vendorHash ? (
        if goModules != "" then "given" else throw "stub buildGoModule: give goModules or vendorHash = null"
      ),
      deleteVendor ? false,
      proxyVendor ? false,
      enableParallelBuilding ? true,
      allowGoReference ? false,
      ldflags ? [ ],
      GOFLAGS ? [ ],
      meta ? { },
      ...
    }@args:
    let
      goFlags =
        GOFLAGS
        ++ lib.optional (!finalAttrs.proxyVendor) "-mod=vendor"
        ++ lib.optional (!finalAttrs.allowGoReference) "-trimpath";
      structured = args.__structuredAttrs or false;
    in
    # A structured list becomes a bash array, which cannot be exported.
    lib.optionalAttrs (!structured) { GOFLAGS = goFlags; }
    // {
      inherit
        modRoot
        goModules
        vendorHash
        deleteVendor
        proxyVendor
        enableParallelBuilding
        allowGoReference
        ;
      nativeBuildInputs = [ go ] ++ nativeBuildInputs;
      env =
        args.env or { }
        // {
          inherit (go) GOOS GOARCH;
          GO111MODULE = "on";
          GOTOOLCHAIN = "local";
          CGO_ENABLED = toString (args.env.CGO_ENABLED or args.CGO_ENABLED or go.CGO_ENABLED);
        }
        // lib.optionalAttrs structured { GOFLAGS = toString goFlags; };
      ldflags = ldflags ++ lib.optional (!lib.any (lib.hasPrefix "-buildid=") ldflags) "-buildid=";
      configurePhase = args.configurePhase or (configure finalAttrs);
      buildPhase = args.buildPhase or (builtins.readFile ./go-build.sh);
      doCheck = args.doCheck or true;
      checkPhase = args.checkPhase or (builtins.readFile ./go-check.sh);
      installPhase = args.installPhase or install;
      strictDeps = true;
      disallowedReferences = lib.optional (!finalAttrs.allowGoReference) go;
      passthru = {
        inherit go;
        overrideModAttrs = lib.toExtension overrideModAttrs;
      }
      // passthru;
      meta = {
        platforms = go.meta.platforms;
      }
      // meta;
    };
}
