# The modules of a program as a fixed output: the goModules of nixpkgs' buildGoModule (pkgs/build-support/go/module.nix), which
# a `vendorHash` names, with the stub's stdenv. GOPROXY comes from the environment of the build, as in nixpkgs.
{
  gosdk,
  overlay,
  src,
  hash,
  name ? "modules",
  proxyVendor ? false,
  withHook ? true,
  extra ? { },
}:
let
  pkgs = import ../nixpkgs_stub { inherit gosdk overlay; };
in
pkgs.stdenv.mkDerivation (
  {
    name = "${name}-go-modules";
    # Under another name it would be another directory, but no other output.
    src = builtins.path {
      name = "source";
      path = src;
    };
    nativeBuildInputs = [ pkgs.go ] ++ pkgs.lib.optional withHook pkgs.nixGocacheprogHook;
    env = {
      GO111MODULE = "on";
      GOTOOLCHAIN = "local";
      CGO_ENABLED = "0";
    };
    impureEnvVars = [
      "GOPROXY"
      "NIX_GOCACHEPROG_VERBOSE"
    ];
    configurePhase = ''
      runHook preConfigure
      export GOCACHE=$TMPDIR/go-cache GOPATH="$TMPDIR/go"
      runHook postConfigure
    '';
    buildPhase = ''
      runHook preBuild
    ''
    + (
      if proxyVendor then
        ''
          mkdir -p "$GOPATH/pkg/mod/cache/download"
          go mod download
        ''
      else
        ''
          go mod vendor
          mkdir -p vendor
        ''
    )
    + ''
      runHook postBuild
    '';
    doCheck = false;
    installPhase = ''
      runHook preInstall
    ''
    + (
      if proxyVendor then
        ''
          rm -rf "$GOPATH/pkg/mod/cache/download/sumdb"
          cp -r --reflink=auto "$GOPATH/pkg/mod/cache/download" $out
        ''
      else
        ''
          cp -r --reflink=auto vendor $out
        ''
    )
    + ''
      runHook postInstall
    '';
    dontFixup = true;
    outputHashMode = "recursive";
    outputHashAlgo = "sha256";
    outputHash = hash;
  }
  // extra
)
