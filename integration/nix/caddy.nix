# The real program (lib/program.sh: fetch_program DIR), built by program.nix: cmd/caddy is installed and the tests of the
# listed packages run. Left out are the tests that start whole servers on fixed ports (caddytest): they take seconds to
# run whatever is cached, and a failure there would say nothing about a cache. No cgo, so it needs no C library.
# `tests = false` builds cmd/caddy only. `report` prints when the go commands of a phase begin and end, and leaves in the
# output a list of all packages of each phase: import path, file of the compiled form, what it depends on (lib/compiled_packages.sh).
{
  dir,
  gosdk,
  overlay ? null,
  withHook ? overlay != null,
  tests ? true,
  report ? false,
  version ? "1",
  extra ? { },
  stub ? { },
  nixpkgs ? null,
}:
let
  tested = [
    "."
    "caddyconfig/caddyfile"
    "caddyconfig/httpcaddyfile"
    "cmd"
    "internal/metrics"
    "modules/caddyhttp"
    "modules/caddyhttp/encode"
    "modules/caddyhttp/fileserver"
    "modules/caddyhttp/headers"
    "modules/caddyhttp/map"
    "modules/caddyhttp/push"
    "modules/caddyhttp/reverseproxy"
    "modules/caddyhttp/rewrite"
    "modules/caddyhttp/templates"
    "modules/caddyhttp/tracing"
    "modules/caddypki/acmeserver"
    "modules/caddytls"
    "modules/logging"
    "modules/metrics"
  ];
  path = /. + toString dir;
  mark = phase: event: ''echo "@${phase} ${event} $(date +%s.%N)"'';
  # The flags of `go install` and `go test`, which get into a main package's key. Results of tests depend on what lies in the build's directory
  # outside of GOCACHE.
  list = phase: dirs: ''
    go list -export -deps -ldflags="''${ldflags[*]}" -f '{{.ImportPath}}|{{.Export}}|{{join .Deps " "}}' ${dirs} \
      > $GOCACHE/listed-${phase}
  '';
  reporting =
    if !report then
      { }
    else
      {
        preBuild = mark "build" "begins";
        postBuild = mark "build" "ends" + "\n" + list "build" "./cmd/caddy";
        postCheck = mark "check" "ends" + "\n" + list "check" "-test $(getGoDirs test)";
        postInstall = "cp $GOCACHE/listed-* $out";
      };
in
import ./program.nix (
  {
    inherit
      gosdk
      overlay
      withHook
      stub
      version
      nixpkgs
      ;
    pname = "caddy";
    # The names are the directories the trees are unpacked to, so they are fixed.
    src = builtins.path {
      name = "caddy-source";
      path = path + "/src";
    };
    goModules = builtins.path {
      name = "caddy-go-modules";
      path = path + "/vendor";
    };
    subPackages = [ "cmd/caddy" ];
    doCheck = tests;
    # As packages in nixpkgs do that install one command and test more than that.
    preCheck =
      (if report then mark "check" "begins" + "\n" else "") + "subPackages='${toString tested}'";
    # These rely on how encoding/json treated null before Go 1.27. -skip does not keep `go test` from reusing results.
    checkFlags = [
      "-skip"
      "TestManageIdentity|HashPolicy"
    ];
    CGO_ENABLED = 0;
  }
  // reporting
  // extra
)
