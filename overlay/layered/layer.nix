# A layer of a package: a derivation with the package's attributes, so that C compilers and the go command see the same variables and
# programs as in the package, but without its source, its version and its checks. A function of the package, and of
#   name      of the layer
#   source    another source of the package, on which it depends instead; or null
#   prepare   a script that ends in the directory of a main module to which the packages belong
#   packages  a script that prints the packages to compile
#   flags     of the go command
#   lower     the layers below
{ lib, programs }:
package:
{
  name,
  source ? null,
  prepare,
  packages,
  flags ? [ ],
  lower,
}:
let
  # Tests are compiled without -trimpath.
  forms = [ "programs" ] ++ lib.optional (package.doCheck or true) "tests";

  # What cannot be listed or compiled is left out: the package compiles it itself, or fails as it does without a layer.
  compile = ''
    export GOCACHEPROG="${programs}/bin/cacheprog-client --store $layer${
      lib.optionalString (lower != [ ]) " --lower ${lib.concatStringsSep ":" lower}"
    }"
    layerPackages() {
        ${packages}
    }
    # compilable: prints those of the packages on its input that can be compiled here.
    compilable() {
        xargs -r go list -e "''${flags[@]}" -f '{{if not (or .Error .DepsErrors)}}{{.ImportPath}}{{end}}'
    }
    flags=(${lib.escapeShellArgs flags})
    tagList="''${tags[*]}"
    if [ -n "$tagList" ]; then flags+=("-tags=''${tagList// /,}"); fi
    layerPackages > "$listed" || echo "layer: not all packages can be listed"
    for form in ${toString forms}; do
        if [ "$form" = tests ]; then
            export GOFLAGS=''${GOFLAGS//-trimpath/}
            for flag in ''${checkFlags[*]}; do
                case $flag in -race | -msan | -asan | -tags=* | -gcflags=* | -asmflags=*) flags+=("$flag") ;; esac
            done
        fi
        xargs -r go build -p "$NIX_BUILD_CORES" "''${flags[@]}" < "$listed" ||
            echo "layer: not all packages can be compiled"
    done
  '';

  # In a shell of its own with `set -e`, which has no effect within `if` or `||`.
  build = ''
    layer=$NIX_BUILD_TOP/layer-store
    listed=$NIX_BUILD_TOP/layer-packages
    set +e
    (
    set -e
    # The package has no such variable, and C compilers could see it.
    unset phases
    ${prepare}
    ${compile}
    )
    set -e
    ${lib.optionalString (source != null) sayUnfit}
    # A layer of nothing is a layer too: the client would warn of an empty directory in each build of the package.
    if [ ! -e "$layer" ]; then ${programs}/bin/cacheprog-client --store "$layer" < /dev/null > /dev/null; fi
  '';
  # Where its phases fail, or no package of it can be listed with these modules.
  sayUnfit = ''
    if [ ! -s "$listed" ]; then
        echo "layer: the earlier source (passthru.layerSource) cannot be compiled with the package's modules, patches and phases of today."
        echo "layer: This layer is empty, and the package compiles its own packages. Name a newer source."
    fi
  '';

  # The client goes on without a layer that is an empty directory.
  install = ''
    ${programs}/bin/cacheprogctl export --with-c --state-dir "$layer" "$out" || {
        echo "layer: it cannot be written, and the package is built without it"
        if [ -e "$out" ]; then chmod -R u+w "$out"; fi
        rm -rf "$out"
        mkdir "$out"
    }
  '';

  isOfPackage =
    attribute:
    builtins.elem attribute [
      "GOCACHEPROG"
      "dontBuild"
      "dontConfigure"
      "dontInstall"
      "dontPatch"
      "dontUnpack"
      "ldflags"
      "patches"
      "phases"
      "pname"
      "setSourceRoot"
      "sourceRoot"
      "src"
      "srcs"
      "version"
    ]
    || builtins.match ".*Phases?|(pre|post)[A-Z].*" attribute != null;
  # What is done to a source before it is compiled.
  isOfSource =
    attribute:
    builtins.elem attribute [
      "patches"
      "preBuild"
      "setSourceRoot"
      "sourceRoot"
    ]
    || builtins.match "(pre|post)(Unpack|Patch|Configure)" attribute != null;
  isCheck =
    attribute: builtins.match "(dis)?allowed(References|Requisites)|outputChecks" attribute != null;
  isKept =
    attribute:
    !isCheck attribute && (!isOfPackage attribute || (source != null && isOfSource attribute));
  kept = lib.filterAttrs (attribute: _: isKept attribute) package.drvAttrs;
in
derivation (
  kept
  // {
    inherit name;
    outputs = [ "out" ];
    phases = [
      "buildPhase"
      "installPhase"
    ];
    buildPhase = build;
    installPhase = install;
  }
  // lib.optionalAttrs (source != null) { src = source; }
  # With structured attributes `env` is a set in the derivation.
  // lib.optionalAttrs (kept ? env) { env = removeAttrs kept.env [ "GOCACHEPROG" ]; }
)
