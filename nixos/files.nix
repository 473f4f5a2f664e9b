# The units as files for systems that are not NixOS: crates/cacheprogctl/units, which `cacheprogctl install` writes. Made
# by `nixos/write-files`; case `nix-evaluation` compares. `@programs@` is where the programs lie.
let
  render = user: import ./render.nix (import ./units.nix { program = "@programs@/cacheprogd"; inherit user; });
  # Not as a name alone: `nix-instantiate` says where each lies.
  files = builtins.mapAttrs (name: text: builtins.toFile name text);
in
{ system = files (render false); user = files (render true); }
