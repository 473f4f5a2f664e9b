# The additive overlay, for those without flakes.
import ./overlay/default.nix
