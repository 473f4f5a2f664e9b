# Caddy with a cache that is copied into the build, as numtide/build-go-cache does it: a derivation compiles the dependencies into a
# GOCACHE in its output, and the build of the program copies that. For integration/bench-layers.
{
  dir,
  gosdk,
  version ? "1",
}:
let
  path = /. + toString dir;
  common = {
    inherit gosdk;
    withHook = false;
    goModules = builtins.path {
      name = "caddy-go-modules";
      path = path + "/vendor";
    };
    CGO_ENABLED = 0;
  };
  cache =
    (import ./program.nix (
      common
      // {
        pname = "caddy-cache";
        src = builtins.path {
          name = "caddy-source";
          path = path + "/src";
          filter =
            name: _:
            builtins.elem (baseNameOf name) [
              "go.mod"
              "go.sum"
            ];
        };
        buildPhase = ''
          export GOCACHE=$out/go-cache
          mkdir -p $out
          grep -v '^#' vendor/modules.txt | xargs go list -e -f '{{if not (or .Error .DepsErrors)}}{{.ImportPath}}{{end}}' > packages
          xargs go build < packages || true
        '';
        doCheck = false;
        installPhase = ":";
      }
    )).overrideAttrs
      (_: {
        disallowedReferences = [ ];
      });
in
import ./caddy.nix {
  inherit dir gosdk version;
  withHook = false;
  tests = false;
  extra.postConfigure = ''
    cp --reflink=auto -r ${cache}/go-cache "$TMPDIR/go-cache"
    chmod -R +w "$TMPDIR/go-cache"
  '';
}
