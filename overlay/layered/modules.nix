# What of a package's modules is known without its source. A function of the package:
#   withFixedName  goModules with a name that stays the same when the package's version changes
#   directory      the directory into which the source is unpacked
#   isVendored     whether they are in a vendor directory
#   goMod          a script that writes a go.mod to which the modules belong
#   packages       a script that prints the packages to compile, by `compilable`
{ lib }:
package:
let
  src = package.src or null;
  areFetched = (package.vendorHash or null) != null;
  sourceRoot = package.sourceRoot or null;

  # stdenv's unpackPhase names the directory after the source. An archive has one of its own.
  path = baseNameOf (builtins.unsafeDiscardStringContext (toString src));
  hashed = builtins.match "[0-9a-z]{32}-(.*)" path;
  unpacked = if src == null then "source" else src.name or (if hashed == null then path else builtins.head hashed);

  # The go.mod of a source that is there before anything is built: a path, a flake's own source.
  isBuilt = builtins.any (of: of ? outputs || of ? allOutputs) (builtins.attrValues (builtins.getContext "${src}"));
  goModFile = (if builtins.isPath src then toString src else "${src}") + "/${package.modRoot or "."}/go.mod";
  goModText =
    if src == null || (!builtins.isPath src && isBuilt) || !builtins.pathExists goModFile then null
    else builtins.unsafeDiscardStringContext (builtins.readFile goModFile);
  direct = lib.concatMap
    (line:
      let required = builtins.match "(require)?[[:space:]]*([^[:space:]]+)[[:space:]]+v[^[:space:]]+[[:space:]]*" line; in
      lib.optional (required != null) "${builtins.elemAt required 1}/...")
    (lib.splitString "\n" (toString goModText));
  patterns = package.layerPackages or direct;

  vendored = {
    isVendored = true;
    goMod = ''
      awk -v go="$(go env GOVERSION | sed 's/^go\([0-9]*\.[0-9]*\).*/\1/')" -f ${./go-mod.awk} vendor/modules.txt > go.mod
    '';
    packages = "grep -v '^#' vendor/modules.txt | compilable";
  };

  # proxyVendor: the modules of the build list, each in its version, as go downloads them; upper case is written `!x` in paths.
  downloaded = {
    isVendored = false;
    goMod = if goModText != null then "cp ${builtins.toFile "go.mod" goModText} go.mod\nchmod u+w go.mod" else ''
      echo "module layer.invalid/layer" > go.mod
      (cd "$goModules" && find . -name '*.zip') | sed 's/!\(.\)/\U\1/g; s,^\./\(.*\)/@v/\(.*\)\.zip$,require \1 \2,' >> go.mod
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
{
  withFixedName = goModules:
    if !goModules ? overrideAttrs then goModules
    else goModules.overrideAttrs (old: {
      name = "${lib.getName package}-go-modules";
      # nixpkgs fetches modules with the package's `env`, and layers are made of modules.
      env = removeAttrs (old.env or { }) [ "GOCACHEPROG" ];
    });
  directory = package.layerSourceDirectory or (if sourceRoot != null && sourceRoot != "" then sourceRoot else unpacked);
} // (if !areFetched then none else if package.proxyVendor or false then downloaded else vendored)
