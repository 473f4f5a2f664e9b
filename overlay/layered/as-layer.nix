# What makes a layer of a package: its attributes stay, so that C compilers and the go command see the same as in the package, but its
# source, its versions, and what is done with them. A function of the package, for overrideAttrs.
#   name, directory  of the layer; of the source, which is in the keys of what is compiled without -trimpath
#   isVendored       whether the modules are in a vendor directory
#   goMod            a script that writes a go.mod to which the modules belong
#   packages         a script that prints the packages to compile
#   lower            the layers below
{ lib, programs }:
package:
{ name, directory, isVendored ? false, goMod, packages, lower }:
old:
let
  # Tests are compiled without -trimpath.
  forms = [ "programs" ] ++ lib.optional (package.doCheck or true) "tests";

  # What cannot be listed or compiled is left out: the package compiles it itself, or fails as it does without a layer.
  compile = ''
    layer=$NIX_BUILD_TOP/layer-store
    export GOCACHEPROG="${programs}/bin/cacheprog-client --store $layer${
      lib.optionalString (lower != [ ]) " --lower ${lib.concatStringsSep ":" lower}"}"
    # The module is no vendored one. A flag, and not GOFLAGS, which is a part of the condition of C.
    flags=(${lib.optionalString (!isVendored) "-mod=mod"})
    if [ -n "''${tags[*]}" ]; then flags+=("-tags=$(concatStringsSep , tags)"); fi
    layerPackages() {
        ${packages}
    }
    # compilable: prints those of the packages on its input that can be compiled here.
    compilable() {
        xargs -r go list -e "''${flags[@]}" -f '{{if not (or .Error .DepsErrors)}}{{.ImportPath}}{{end}}'
    }
    layerPackages > "$NIX_BUILD_TOP/layer-packages" || echo "layer: not all packages can be listed"
    for form in ${toString forms}; do
        if [ "$form" = tests ]; then
            export GOFLAGS=''${GOFLAGS//-trimpath/}
            for flag in ''${checkFlags[*]}; do
                case $flag in -race | -msan | -asan | -tags=* | -gcflags=* | -asmflags=*) flags+=("$flag") ;; esac
            done
        fi
        xargs -r go build -p "$NIX_BUILD_CORES" "''${flags[@]}" < "$NIX_BUILD_TOP/layer-packages" ||
            echo "layer: not all packages can be compiled"
    done
  '';

  hooks = lib.concatMap (phase: [ "pre${phase}" "post${phase}" ])
    [ "Unpack" "Patch" "Configure" "Build" "Check" "Install" "Fixup" "InstallCheck" "Dist" ];
in
lib.genAttrs hooks (_: null)
// lib.genAttrs [ "patchPhase" "checkPhase" "fixupPhase" "installCheckPhase" "distPhase" ] (_: ":")
// {
  inherit name;
  # Of the package, not of the layer, whose source and name are others.
  goModules = package.goModules or "";
  pname = null;
  version = null;
  src = null;
  srcs = null;
  sourceRoot = null;
  patches = [ ];
  ldflags = [ ];
  outputs = [ "out" ];
  disallowedReferences = [ ];
  env = old.env or { } // { GOCACHEPROG = ""; };
  meta = { };
  unpackPhase = ''
    mkdir -p ${lib.escapeShellArg directory}/"$modRoot"
    sourceRoot=${lib.escapeShellArg directory}
  '';
  postConfigure = goMod;
  buildPhase = compile;
  installPhase = ''${programs}/bin/cacheprogctl export --with-c --state-dir "$layer" "$out"'';
}
