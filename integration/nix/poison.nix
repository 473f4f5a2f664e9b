# Builds a program that prints the text of an error. With `poisoncache` the build is hostile: it puts an archive of its own for package
# errors, and a program that is linked with that archive prints POISON.
# KIND: plain, fixed (a fixed-output derivation) or impure.
{
  gosdk,
  stamp,
  poisoncache ? null,
  kind ? "plain",
}:
let
  go = builtins.storePath gosdk;
  special =
    {
      plain = { };
      fixed = {
        outputHashMode = "recursive";
        outputHashAlgo = "sha256";
        outputHash = builtins.hashString "sha256" stamp;
      };
      impure = {
        __impure = true;
        outputHashMode = "recursive";
        outputHashAlgo = "sha256";
      };
    }
    .${kind};
in
derivation (
  {
    name = "poison-${stamp}";
    system = builtins.currentSystem;
    builder = "/bin/bash";
    NIX_GOCACHEPROG = "1";
    inherit go;
    poisoncache =
      if poisoncache == null then
        ""
      else
        builtins.path {
          name = "poisoncache";
          path = poisoncache;
        };
    args = [
      "-euc"
      (
        ''
          export PATH=$go/bin:$go/share/go/bin:/usr/bin:/bin HOME=/build GOCACHE=/build/cache GOPATH=/build/go GOFLAGS=-trimpath
          export CGO_ENABLED=0 GOPROXY=off GOTELEMETRY=off GOENV=off GOTOOLCHAIN=local GOCACHEPROG=/gocache-client
          mkdir program
          cd program
          printf 'module example.test/program\n\ngo 1.21\n' > go.mod
          printf 'package main\n\nimport "errors"\n\nfunc main() { println(errors.New("honest").Error()) }\n' > main.go
        ''
        + (
          if poisoncache == null then
            ""
          else
            ''
              goroot=$(go env GOROOT)
              sed 's|^func New(text string) error {|&\n\tprintln("POISON: code of another user")|' "$goroot/src/errors/errors.go" > /build/errors.go
              grep -q POISON /build/errors.go
              printf '{"Replace": {"%s/src/errors/errors.go": "/build/errors.go"}}' "$goroot" > /build/overlay.json
              GOCACHEPROG= go list -export -overlay /build/overlay.json -f '{{.Export}}' errors > /build/export
              # Another GOCACHE: what was compiled above is put no more.
              export GOCACHE=/build/cache2 GOCACHEPROG="$poisoncache /gocache/sock $(cat /build/export) errors/join.go /build/cache2"
              mkdir "$GOCACHE"
            ''
        )
        + ''
          go build -o "$out" .
        ''
      )
    ];
  }
  // special
)
