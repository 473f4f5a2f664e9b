# Part of case `nix-evaluation`: nix/package.nix without nixpkgs. What it asks of nixpkgs is evaluated, and its phase runs with the programs
# that are built already.
# shellcheck shell=bash disable=SC2016

# recipe SELECTION: a part of what nix/package.nix gives to buildRustPackage.
recipe() {
    evaluate "let
      lib = import $CASE_DIR/nixpkgs_stub/lib.nix // {
        importTOML = file: builtins.fromTOML (builtins.readFile file);
        fileset = { toSource = { root, ... }: root; unions = files: files; };
      };
      package = import $ROOT_DIR/nix/package.nix {
        inherit lib;
        stdenv = { buildPlatform.canExecute = platform: platform.isThis or false; hostPlatform.isThis = ${2:-true}; };
        rustPlatform.buildRustPackage = arguments: arguments;
        installShellFiles = \"installShellFiles\";
        versionCheckHook = \"versionCheckHook\";
      };
    in $1"
}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$ROOT_DIR/Cargo.toml")
is "the package's version" "\"$version\"" "$(recipe package.version)"
is "its version is checked once it is built" '[ true [ "versionCheckHook" ] ]' "$(recipe '[ package.doInstallCheck package.nativeInstallCheckInputs ]')"
is "its main program and license" '[ "cacheprogctl" "bsd3" ]' "$(recipe '[ package.meta.mainProgram package.meta.license.shortName ]')"
is "what nixpkgs shows of it" true "$(recipe 'builtins.all (name: builtins.isString package.meta.${name} && package.meta.${name} != "") [ "description" "homepage" "changelog" ]')"

# As installShellFiles of nixpkgs has them.
installManPage() {
    local page
    for page in "$@"; do install -D -m 644 -t "$out/share/man/man${page##*.}" "$page"; done
}
installShellCompletion() {
    while [ $# -gt 0 ]; do
        case $1 in --bash | --fish | --zsh) install -D -m 644 "$2" "$out/completions/${1#--}" ;; esac
        shift 2
    done
}
phase=$(recipe 'builtins.toFile "phase" package.postInstall' | tr -d '"')
for program in cacheprogd cacheprogctl cacheprog-client prebuild-hook modproxy cacheprog-remote; do
    install -D -m 755 -t "$WORK/installed/bin" "$BIN/$program"
done
# shellcheck disable=SC1090
(cd "$WORK" && out=$WORK/installed && source "$phase")
for file in bin/cacheprogctl libexec/nix-gocacheprog/{prebuild-hook,modproxy,cacheprog-client} share/man/man1/cacheprogctl-why.1 \
    share/man/man8/cacheprogd.8 share/man/man5/nix-gocacheprog.toml.5 completions/{bash,fish,zsh}; do
    expect "the package has $file" test -s "$WORK/installed/$file"
done
expect "its bin/ has no program that users do not run" test ! -e "$WORK/installed/bin/modproxy"
expect "a cross compiler's package has no pages, and its phase ends well" refused grep -q generate "$(recipe 'builtins.toFile "phase" package.postInstall' false | tr -d '"')"
