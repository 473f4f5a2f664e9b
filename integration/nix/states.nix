# Builds many states of the small program without any cache, one after the other: for each its programs and the verdicts of its tests.
# A state has its `source`, and `settings`, the commands before its go commands. Only the standard library is compiled once, into a
# GOCACHE that each state gets a copy of.
{ gosdk, states }:
import ./program.nix {
  inherit gosdk;
  overlay = null;
  withHook = false;
  pname = "states";
  src = builtins.path {
    name = "states";
    path = states;
  };
  doCheck = false;
  proxyVendor = true; # no -mod=vendor: a state may be a workspace
  configurePhase = "export GOCACHE=/build/std GOPATH=/build/go GOPROXY=off GOSUMDB=off";
  buildPhase = ''
    unset NIX_LDFLAGS # the output's own path, which would be in programs with C
    install_() { go install -ldflags=-buildid= "$@"; }
    cd "$(find /build/states -mindepth 2 -maxdepth 2 -name source | sort | head -n 1)"
    standard=$(go list -deps -test -f '{{if .Standard}}{{.ImportPath}}{{end}}' ./...)
    go build $standard
    GOFLAGS=''${GOFLAGS//-trimpath/} go build $standard
    for state in /build/states/*; do
        name=''${state##*/}
        rm -rf /build/small-source /build/one /build/other-* /build/go/bin
        cp -r --preserve=timestamps "$state/source" /build/small-source
        cp -r /build/std /build/one
        cd /build/small-source
        mkdir -p "$out/$name"
        (
            export GOCACHE=/build/one
            . "$state/settings"
            install_ ./...
            bash ${./verdicts.sh} > "$out/$name/verdicts"
        )
        cp /build/go/bin/* "$out/$name"
    done
  '';
  installPhase = "true";
}
