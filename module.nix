# The NixOS module, for those without flakes.
import ./nixos/module.nix
