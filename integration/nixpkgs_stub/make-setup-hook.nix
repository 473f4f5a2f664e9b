# makeSetupHook as in nixpkgs: a package whose nix-support/setup-hook is sourced by the builds that have it among their
# nativeBuildInputs. `substitutions` replaces @name@ in the script; propagatedBuildInputs bring other hooks along.
{ stdenv }:
{
  name,
  propagatedBuildInputs ? [ ],
  substitutions ? { },
  meta ? { },
  passthru ? { },
  ...
}:
script:
stdenv.mkDerivation (
  substitutions
  // {
    inherit
      name
      meta
      passthru
      propagatedBuildInputs
      script
      ;
    strictDeps = true;
    substitutionNames = builtins.attrNames substitutions;
    buildCommand = ''
      mkdir -p "$out/nix-support"
      cp "$script" "$out/nix-support/setup-hook"
      chmod u+w "$out/nix-support/setup-hook"
      for name in $substitutionNames; do
          content=$(cat "$out/nix-support/setup-hook"; echo .)
          printf %s "''${content%.}" | awk -v from="@$name@" -v to="''${!name}" '
              { while (i = index($0, from)) { printf "%s%s", substr($0, 1, i - 1), to; $0 = substr($0, i + length(from)) } print }
          ' > "$out/nix-support/setup-hook"
      done
      recordPropagatedDependencies
    '';
  }
)
