# A Go toolchain in the Nix store, with what a build needs only: binaries, tools, includes and the standard library
# without tests (half the files of a GOROOT, and a third of its bytes, are never read by a build).
# The one place that says which files these are; lib/nix.sh (add_go_to_store) and go.nix both use it.
{ goroot }:
let
  root = /. + goroot;
  version = builtins.head (builtins.match "([^\n]*)\n.*" (builtins.readFile (root + "/VERSION")));
  top = [
    "VERSION"
    "go.env"
    "LICENSE"
    "bin"
    "lib"
    "pkg"
    "src"
  ];
  isTop = path: toString (dirOf path) == toString root;
  isTest =
    path: type:
    type == "regular" && builtins.match ".*_test\\.go" (baseNameOf path) != null
    || type == "directory" && baseNameOf path == "testdata";
in
builtins.path {
  name = "sdk-${version}";
  path = root;
  filter = path: type: if isTop path then builtins.elem (baseNameOf path) top else !isTest path type;
}
