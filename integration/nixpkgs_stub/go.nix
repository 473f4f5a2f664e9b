# Go as nixpkgs lays it out: GOROOT at $out/share/go, $out/bin/go a link into it, and GOOS, GOARCH, CGO_ENABLED as
# attributes. `gosdk` is a GOROOT anywhere on disk (copied to the store without its tests and documents) or already one
# in the store (used as it is). The copy is a derivation's output, so every file has mtime 1, as in nixpkgs.
{
  gosdk,
  runBash,
  system,
  cgoEnabled ? 1,
}:
let
  root = toString gosdk;
  storeDir = builtins.storeDir;
  inStore = builtins.substring 0 (builtins.stringLength storeDir + 1) root == storeDir + "/";
  # Read through `sdk` when it is a store path, for its place on disk is another one in a diverted store (--store).
  versionFile = builtins.readFile ((if inStore then sdk else root) + "/VERSION");
  version = builtins.head (builtins.match "go([^\n]*)\n.*" versionFile);
  sdk = if inStore then builtins.storePath root else import ./gosdk.nix { goroot = root; };
  attrs = {
    inherit version;
    pname = "go";
    # 1.26.8 -> 1.26
    series = builtins.head (builtins.match "([0-9]+\\.[0-9]+).*" version);
    GOOS = "linux";
    GOARCH =
      {
        x86_64-linux = "amd64";
        aarch64-linux = "arm64";
      }
      .${system};
    CGO_ENABLED = cgoEnabled;
    meta = {
      mainProgram = "go";
      platforms = [ system ];
    };
  };
in
runBash "go-${version}" { inherit sdk; } ''
  mkdir -p "$out/share" "$out/bin"
  cp -r --reflink=auto "$sdk" "$out/share/go"
  ln -s "$out/share/go/bin/go" "$out/share/go/bin/gofmt" "$out/bin"
''
// attrs
// {
  passthru = attrs;
}
