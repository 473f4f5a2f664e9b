# A package's source, named without a hash. In a flake `./.` is a path like /nix/store/HASH-source: Nix copies it as HASH2-HASH-source, and
# stdenv unpacks it into HASH-source, which is another directory with each edit. That directory is in the keys of what is compiled without
# -trimpath, as for tests, so that all dependencies would be compiled again. A function of the source.
src:
let
  hashed = builtins.match "[0-9a-z]{32}-(.*)" (baseNameOf (toString src));
in
if builtins.isPath src && hashed != null then
  builtins.path {
    path = src;
    name = builtins.head hashed;
  }
else
  src
