# A layer of a package: a derivation with the package's attributes, so that C compilers and the go command see the same variables and
# programs as in the package, but without its source, its version, its phases and its checks. A function of the package, and of
#   name, directory  of the layer; of the source, which is in the keys of what is compiled without -trimpath
#   isVendored       whether the modules are in a vendor directory
#   goMod            a script that writes a go.mod to which the modules belong
#   packages         a script that prints the packages to compile
#   lower            the layers below
{ lib, programs }:
package:
{ name, directory, isVendored ? false, goMod, packages, lower }:
let
  # Tests are compiled without -trimpath.
  forms = [ "programs" ] ++ lib.optional (package.doCheck or true) "tests";
  goModules = package.goModules or "";

  # As in nixpkgs' configurePhase. Setup hooks of inputs may look for a source.
  configure = ''
    for phase in Configure Build Install Fixup; do eval "pre''${phase}Hooks=() post''${phase}Hooks=()"; done
    export GOCACHE=$TMPDIR/go-cache GOPATH="$TMPDIR/go" GOPROXY=off GOSUMDB=off
    if [ -f "$NIX_CC_FOR_TARGET/nix-support/dynamic-linker" ]; then
        export GO_LDSO=$(cat "$NIX_CC_FOR_TARGET/nix-support/dynamic-linker")
    fi
    cd "$modRoot"
    ${if isVendored then ''cp -r --reflink=auto "${goModules}" vendor'' else lib.optionalString (goModules != "") ''export GOPROXY="file://${goModules}"''}
  '';

  # What cannot be listed or compiled is left out: the package compiles it itself, or fails as it does without a layer.
  compile = ''
    layer=$NIX_BUILD_TOP/layer-store
    export GOCACHEPROG="${programs}/bin/cacheprog-client --store $layer${
      lib.optionalString (lower != [ ]) " --lower ${lib.concatStringsSep ":" lower}"}"
    layerModules() {
        ${goMod}
    }
    layerPackages() {
        ${packages}
    }
    # compilable: prints those of the packages on its input that can be compiled here.
    compilable() {
        xargs -r go list -e "''${flags[@]}" -f '{{if not (or .Error .DepsErrors)}}{{.ImportPath}}{{end}}'
    }
    layerModules || echo "layer: no go.mod can be made for the modules"
    # The module is no vendored one. A flag, and not GOFLAGS, which is a part of the condition of C.
    flags=(${lib.optionalString (!isVendored) "-mod=mod"})
    tagList="''${tags[*]}"
    if [ -n "$tagList" ]; then flags+=("-tags=''${tagList// /,}"); fi
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

  # An empty directory is no layer, and the client goes on without it.
  install = ''
    ${programs}/bin/cacheprogctl export --with-c --state-dir "$layer" "$out" || {
        echo "layer: it is empty"
        chmod -R u+w "$out" || true
        rm -rf "$out"
        mkdir "$out"
    }
  '';

  isOfSource = attribute:
    builtins.elem attribute [
      "GOCACHEPROG" "dontBuild" "dontConfigure" "dontInstall" "dontPatch" "dontUnpack" "ldflags" "patches" "phases" "pname"
      "setSourceRoot" "sourceRoot" "src" "srcs" "version"
    ]
    || builtins.match ".*Phases?|(pre|post)[A-Z].*" attribute != null;
  isCheck = attribute: builtins.match "(dis)?allowed(References|Requisites)|outputChecks" attribute != null;
  kept = lib.filterAttrs (attribute: _: !isOfSource attribute && !isCheck attribute) package.drvAttrs;
  phases = {
    unpackPhase = ''
      mkdir -p ${lib.escapeShellArg directory}/"$modRoot"
      sourceRoot=${lib.escapeShellArg directory}
    '';
    configurePhase = configure;
    buildPhase = compile;
    installPhase = install;
  } // lib.genAttrs [ "patchPhase" "checkPhase" "fixupPhase" "installCheckPhase" "distPhase" ] (_: ":");
in
derivation (kept // phases // { inherit name; outputs = [ "out" ]; }
  # With structured attributes `env` is a set in the derivation.
  // lib.optionalAttrs (kept ? env) { env = removeAttrs kept.env [ "GOCACHEPROG" ]; })
