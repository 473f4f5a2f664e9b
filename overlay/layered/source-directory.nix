# The directory into which a package's source is unpacked: it is in the keys of what is compiled without -trimpath. A function of the
# package.
package:
let
  src = package.src or null;
  sourceRoot = package.sourceRoot or null;
  # stdenv's unpackPhase names the directory after the source, without its hash. An archive has one of its own.
  fileName = baseNameOf (builtins.unsafeDiscardStringContext (toString src));
  withoutHash = builtins.match "[0-9a-z]{32}-(.*)" fileName;
  unpackedName =
    if src == null then
      "source"
    else if builtins.isAttrs src && src ? name then
      src.name
    else if withoutHash == null then
      fileName
    else
      builtins.head withoutHash;
in
package.layerSourceDirectory
  or (if sourceRoot != null && sourceRoot != "" then sourceRoot else unpackedName)
