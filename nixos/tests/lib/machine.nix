# The machine of the tests: NixOS with our module, four users, and the means to build some versions of the small program without a
# network. /etc/small-N is the path of the derivation of version N; `plain` ones know nothing of us.
{
  pkgs,
  package,
  plain ? false,
}:
let
  withOverlay = pkgs.appendOverlays [ (import ../../../overlay/default.nix) ];
  builder = if plain then pkgs.buildGoModule else withOverlay.buildGoModuleCached;
  small =
    version:
    builder {
      pname = "small";
      inherit version;
      src = ../../../integration/programs/small;
      vendorHash = null;
      env.CGO_ENABLED = 0;
    };
  versions = map small [
    "1"
    "2"
    "3"
    "4"
    "5"
    "6"
  ];
in
{
  imports = [ ../../module.nix ];
  services.nix-gocacheprog = {
    enable = true;
    inherit package;
  };
  nix.settings = {
    substituters = pkgs.lib.mkForce [ ];
    experimental-features = [ "nix-command" ];
  };
  virtualisation = {
    writableStore = true;
    memorySize = 2048;
    cores = 2;
  };
  users.users =
    pkgs.lib.genAttrs
      [
        "alice"
        "bob"
        "carol"
        "dan"
      ]
      (_: {
        isNormalUser = true;
      });
  # What they are built from; the derivations alone would be names.
  system.extraDependencies = map (drv: drv.inputDerivation) versions;
  environment.etc = builtins.listToAttrs (
    map (drv: {
      name = "small-${drv.version}";
      value.text = builtins.unsafeDiscardOutputDependency drv.drvPath;
    }) versions
  );
}
