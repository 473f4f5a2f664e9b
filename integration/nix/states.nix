# Builds many states of the small program without any cache, one after the other: for each its programs and the verdicts of its tests.
# Only the standard library is compiled once, into a GOCACHE that each state gets a copy of.
{ gosdk, states }:
import ./program.nix {
  inherit gosdk;
  overlay = null;
  withHook = false;
  pname = "states";
  src = builtins.path { name = "states"; path = states; };
  doCheck = false;
  configurePhase = "export GOCACHE=/build/std GOPATH=/build/go GOPROXY=off GOSUMDB=off";
  buildPhase = ''
    unset NIX_LDFLAGS # the output's own path, which would be in programs with C
    install_() { go install -ldflags=-buildid= "$@"; }
    cd "$(find /build/states -mindepth 1 -maxdepth 1 | sort | head -n 1)"
    standard=$(go list -deps -test -f '{{if .Standard}}{{.ImportPath}}{{end}}' ./...)
    go build $standard
    GOFLAGS=''${GOFLAGS//-trimpath/} go build $standard
    for state in /build/states/*; do
        name=''${state##*/}
        rm -rf /build/small-source /build/one /build/go/bin
        cp -r --preserve=timestamps "$state" /build/small-source
        cp -r /build/std /build/one
        cd /build/small-source
        GOCACHE=/build/one install_ ./...
        mkdir -p "$out/$name"
        cp /build/go/bin/* "$out/$name"
        GOCACHE=/build/one bash ${./verdicts.sh} > "$out/$name/verdicts"
    done
  '';
  installPhase = "true";
}
