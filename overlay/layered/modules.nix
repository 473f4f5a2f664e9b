# What of a package's modules is known without its source, for its layer (layer.nix). A function of the package:
#   prepare   a script that makes a main module to which the modules belong
#   flags     of the go command there
#   packages  a script that prints the packages to compile
{ lib }:
package:
let
  src = package.src or null;
  sourceDirectory = import ./source-directory.nix package;
  isVendored = hasModules && !(package.proxyVendor or false);
  hasModules = (package.vendorHash or null) != null;

  # The go.mod of a source that is there before anything is built: a path, a flake's own source.
  isBuilt = builtins.any (of: of ? outputs || of ? allOutputs) (
    builtins.attrValues (builtins.getContext "${src}")
  );
  goModFile =
    (if builtins.isPath src then toString src else "${src}") + "/${package.modRoot or "."}/go.mod";
  goModText =
    if
      src == null
      || builtins.isList src
      || (!builtins.isPath src && isBuilt)
      || !builtins.pathExists goModFile
    then
      null
    else
      builtins.unsafeDiscardStringContext (builtins.readFile goModFile);
  required = lib.concatMap (
    line:
    let
      module = builtins.match "(require)?[[:space:]]*([^[:space:]]+)[[:space:]]+v[^[:space:]]+[[:space:]]*" line;
    in
    lib.optional (module != null) "${builtins.elemAt module 1}/..."
  ) (lib.splitString "\n" (toString goModText));
  patterns = package.layerPackages or required;

  # Scripts that write go.mod and print the packages.
  vendored = {
    goMod = ''awk -v go="$(go env GOVERSION)" -f ${./go-mod.awk} vendor/modules.txt > go.mod'';
    packages = "grep -v '^#' vendor/modules.txt | compilable";
  };

  # proxyVendor: the modules of the build list, each in its version, as go downloads them; upper case is written `!x` in paths.
  downloaded = {
    goMod =
      if goModText != null then
        "cp ${builtins.toFile "go.mod" goModText} go.mod && chmod u+w go.mod"
      else
        ''
          echo "module layer.invalid/layer" > go.mod
          (cd "${package.goModules}" && find . -name '*.zip') | sed 's/!\(.\)/\U\1/g; s,^\./\(.*\)/@v/\(.*\)\.zip$,require \1 \2,' >> go.mod
        '';
    packages =
      if patterns == [ ] then
        "echo 'layer: the packages to compile are not known: see passthru.layerPackages' >&2"
      else
        "printf '%s\\n' ${lib.escapeShellArgs patterns} | compilable";
  };

  # Modules are in the source, if there are any.
  none = {
    goMod = "echo 'module layer.invalid/layer' > go.mod";
    packages = ":";
  };
  modules =
    if !hasModules then
      none
    else if isVendored then
      vendored
    else
      downloaded;
in
{
  inherit (modules) packages;
  # The module is no vendored one. A flag, and not GOFLAGS, which is a part of the condition of C.
  flags = lib.optional (!isVendored) "-mod=mod";
  # As in nixpkgs' unpackPhase and configurePhase.
  prepare = ''
    mkdir -p ${lib.escapeShellArg sourceDirectory}/"$modRoot"
    cd ${lib.escapeShellArg sourceDirectory}/"$modRoot"
    export GOCACHE=$TMPDIR/go-cache GOPATH="$TMPDIR/go" GOPROXY=off GOSUMDB=off
    if [ -f "$NIX_CC_FOR_TARGET/nix-support/dynamic-linker" ]; then
        export GO_LDSO=$(cat "$NIX_CC_FOR_TARGET/nix-support/dynamic-linker")
    fi
    ${
      if isVendored then
        "cp -r --reflink=auto ${package.goModules} vendor"
      else
        lib.optionalString hasModules "export GOPROXY=file://${package.goModules}"
    }
    { ${modules.goMod}
    } || echo "layer: no go.mod can be made for the modules"
  '';
}
