# Refuses what a package tells its layers in vain: a wrong name, or a value of no use. A function of the package's attributes and of the
# package; returns the package.
{ lib }:
finalAttrs: package:
let
  known = [
    "layerPackages"
    "layerSource"
    "layerSourceDirectory"
  ];
  isUnknown = name: lib.hasPrefix "layer" name && !(lib.elem name known);
  unknown = lib.filter isUnknown (
    builtins.attrNames finalAttrs ++ builtins.attrNames (finalAttrs.passthru or { })
  );
  fail = message: throw "${lib.getName package}: ${message}";

  source = package.layerSource or null;
  # An input of a flake is a set with a path.
  isSource =
    source == null
    || builtins.isPath source
    || source ? outPath
    || (builtins.isString source && lib.hasPrefix builtins.storeDir source);
  # With a vendor directory its modules.txt names the packages.
  hasPatterns = package ? layerPackages && !(package.proxyVendor or false);
in
if unknown != [ ] then
  fail "`${builtins.head unknown}` is unknown. Layers read ${lib.concatStringsSep ", " known} of passthru."
else if !isSource then
  fail "`passthru.layerSource` has to be an earlier source: a flake's input, what a fetcher returns, or a path. For a release, write inputs.released = { url = \"github:me/app/v1.0\"; flake = false; } and layerSource = released."
else if hasPatterns then
  fail "`passthru.layerPackages` has no effect without `proxyVendor = true`: the layer has the packages that vendor/modules.txt names. Remove it."
else
  package
