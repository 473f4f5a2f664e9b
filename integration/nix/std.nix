# Those packages of Go's standard library that the small program and its tests use, compiled as `go install` and as `go test`
# have them, and nothing else. For a cache that knows them (lib/shared.sh); `naive` as in small.nix.
{
  gosdk,
  overlay,
  naive ? false,
}:
import ./small.nix {
  inherit gosdk overlay naive;
  pname = "std";
  extra = {
    doCheck = false;
    buildPhase = ''
      standard=$(go list -deps -test -f '{{if .Standard}}{{.ImportPath}}{{end}}' ./...)
      mkdir ../std && cd ../std
      printf 'module example.test/std\n\ngo 1.21\n' > go.mod
      go build $standard
      GOFLAGS=''${GOFLAGS//-trimpath/} go build $standard
    '';
  };
}
