# The stub's stdenv: mkDerivation (from a set or from `finalAttrs:`) and the store path with `setup` that builds source.
# Decides what a derivation's environment holds: the attributes of the caller without passthru, meta and env, env's
# attributes, and the standard ones of nixpkgs. setup.sh decides what happens in the build.
{
  lib,
  runBash,
  system,
  shell,
  cc,
}:
let
  arch = builtins.head (builtins.match "([^-]+)-.*" system);
  platform = {
    inherit system;
    config = "${arch}-unknown-linux-gnu";
    isLinux = true;
    isDarwin = false;
    isx86_64 = arch == "x86_64";
    isAarch64 = arch == "aarch64";
    canExecute = _: true;
  };

  store =
    runBash "stdenv-stub"
      {
        inherit shell;
        initialPath = "/ /usr";
        defaultNativeBuildInputs = "${cc}";
        setup = ./setup.sh;
      }
      ''
        mkdir -p "$out/nix-support"
        {
          echo "export SHELL=$shell"
          echo "initialPath='$initialPath'"
          echo "defaultNativeBuildInputs='$defaultNativeBuildInputs'"
          echo "defaultBuildInputs="
          cat "$setup"
        } > "$out/setup"
      '';

  noDeps = lib.genAttrs [
    "depsBuildBuild"
    "depsBuildBuildPropagated"
    "depsBuildTarget"
    "depsBuildTargetPropagated"
    "depsHostHost"
    "depsHostHostPropagated"
    "depsTargetTarget"
    "depsTargetTargetPropagated"
    "propagatedNativeBuildInputs"
    "propagatedBuildInputs"
    "configureFlags"
    "patches"
    "cmakeFlags"
    "mesonFlags"
  ] (_: [ ]);

  derivationArgs =
    attrs:
    let
      structured = attrs.__structuredAttrs or false;
      env = attrs.env or { };
      doCheck = attrs.doCheck or false;
      doInstallCheck = attrs.doInstallCheck or false;
      untracked = map (drv: builtins.unsafeDiscardStringContext "${drv}");
    in
    noDeps
    // removeAttrs attrs [
      "env"
      "meta"
      "passthru"
      "pos"
      "checkInputs"
      "nativeCheckInputs"
    ]
    // lib.optionalAttrs (attrs ? pname && !attrs ? name) { name = "${attrs.pname}-${attrs.version}"; }
    // {
      inherit system doCheck doInstallCheck;
      builder = shell;
      args =
        attrs.args or [
          "-e"
          (attrs.builder or ./builder.sh)
        ];
      stdenv = store;
      __ignoreNulls = true;
      strictDeps = attrs.strictDeps or false;
      outputs = attrs.outputs or [ "out" ];
      nativeBuildInputs =
        attrs.nativeBuildInputs or [ ] ++ lib.optionals doCheck (attrs.nativeCheckInputs or [ ]);
      buildInputs = attrs.buildInputs or [ ] ++ lib.optionals doCheck (attrs.checkInputs or [ ]);
    }
    // lib.optionalAttrs (attrs.enableParallelBuilding or false) {
      enableParallelChecking = attrs.enableParallelChecking or true;
      enableParallelInstalling = attrs.enableParallelInstalling or true;
    }
    // lib.optionalAttrs (attrs ? disallowedReferences) {
      disallowedReferences = untracked attrs.disallowedReferences;
    }
    // (
      if structured then
        { inherit env; }
      else
        let
          overlap = builtins.attrNames (builtins.intersectAttrs attrs env);
        in
        lib.throwIf (
          overlap != [ ]
        ) "env and the derivation's attributes overlap in: ${toString overlap}" env
    );

  mkDerivation =
    fnOrAttrs:
    let
      fn = lib.toFunction fnOrAttrs;
      attrs = fn (
        attrs
        // {
          finalPackage = package;
          inherit overrideAttrs;
        }
      );
      overrideAttrs = change: mkDerivation (lib.extends (lib.toExtension change) fn);
      passthru = attrs.passthru or { };
      package =
        derivation (derivationArgs attrs)
        // passthru
        // {
          inherit overrideAttrs passthru;
          meta = attrs.meta or { };
        };
    in
    package;
in
# A stdenv is a derivation with attributes; `${stdenv}` and `stdenv.mkDerivation` both work.
store
// {
  inherit
    mkDerivation
    shell
    cc
    system
    ;
  hasCC = true;
  isLinux = true;
  isDarwin = false;
  buildPlatform = platform;
  hostPlatform = platform;
  targetPlatform = platform;
}
