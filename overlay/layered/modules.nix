# What of a package's modules is known without its source. A function of the package:
#   isVendored  whether the modules are in a vendor directory
#   goMod       a script that writes a go.mod to which the modules belong
#   packages    a script that prints the packages to compile, by `compilable`
{ lib }:
package:
let
  src = package.src or null;

  # The go.mod of a source that is there before anything is built: a path, a flake's own source.
  isBuilt = builtins.any (of: of ? outputs || of ? allOutputs) (builtins.attrValues (builtins.getContext "${src}"));
  goModFile = (if builtins.isPath src then toString src else "${src}") + "/${package.modRoot or "."}/go.mod";
  goModText =
    if src == null || builtins.isList src || (!builtins.isPath src && isBuilt) || !builtins.pathExists goModFile then null
    else builtins.unsafeDiscardStringContext (builtins.readFile goModFile);
  required = lib.concatMap
    (line:
      let module = builtins.match "(require)?[[:space:]]*([^[:space:]]+)[[:space:]]+v[^[:space:]]+[[:space:]]*" line; in
      lib.optional (module != null) "${builtins.elemAt module 1}/...")
    (lib.splitString "\n" (toString goModText));
  patterns = package.layerPackages or required;

  vendored = {
    isVendored = true;
    goMod = ''awk -v go="$(go env GOVERSION)" -f ${./go-mod.awk} vendor/modules.txt > go.mod'';
    packages = "grep -v '^#' vendor/modules.txt | compilable";
  };

  # proxyVendor: the modules of the build list, each in its version, as go downloads them; upper case is written `!x` in paths.
  downloaded = {
    isVendored = false;
    goMod = if goModText != null then "cp ${builtins.toFile "go.mod" goModText} go.mod && chmod u+w go.mod" else ''
      echo "module layer.invalid/layer" > go.mod
      (cd "${package.goModules}" && find . -name '*.zip') | sed 's/!\(.\)/\U\1/g; s,^\./\(.*\)/@v/\(.*\)\.zip$,require \1 \2,' >> go.mod
    '';
    packages =
      if patterns == [ ] then "echo 'layer: the packages to compile are not known: see passthru.layerPackages' >&2"
      else "printf '%s\\n' ${lib.escapeShellArgs patterns} | compilable";
  };

  # Modules are in the source, if there are any.
  none = {
    isVendored = false;
    goMod = "echo 'module layer.invalid/layer' > go.mod";
    packages = ":";
  };
in
if (package.vendorHash or null) == null then none else if package.proxyVendor or false then downloaded else vendored
