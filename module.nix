# The NixOS module, for those without flakes.
{ imports = [ ./nixos/module.nix ]; }
