# The programs. Call it with pkgsStatic: what is mounted into a sandbox finds no library there. (With the plain package set it builds
# programs that need their libraries' store paths: layers depend on these, and other builds do not.)
{
  lib,
  rustPlatform,
  stdenv,
  installShellFiles,
  versionCheckHook,
}:
let
  programs = [
    "-p"
    "cacheprogd"
    "-p"
    "cacheprogctl"
    "-p"
    "cacheprog-client"
    "-p"
    "prebuild-hook"
    "-p"
    "modproxy"
    "-p"
    "cacheprog-remote"
  ];
  inherit (lib) fileset;
  inherit ((lib.importTOML ../Cargo.toml).workspace) package;
in
rustPlatform.buildRustPackage {
  pname = "nix-gocacheprog";
  inherit (package) version;
  # Without .cargo/config.toml, which makes cargo's own programs static: here the package set does.
  src = fileset.toSource {
    root = ../.;
    fileset = fileset.unions [
      ../Cargo.toml
      ../Cargo.lock
      ../clippy.toml
      ../crates
      ../docs
      ../fuzz/seeds
      ../fuzz/corpora
      ../integration/matrix
      ../integration/s3_double
    ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = programs;
  cargoTestFlags = programs;
  nativeBuildInputs = [ installShellFiles ];
  # Nix and the setup hook run these two, and no user: their names could meet others on a PATH. The hook looks for the client and
  # modproxy in its own directory. cacheprogctl writes man pages and completions, where it runs on the machine that builds it.
  postInstall = ''
    mkdir -p $out/libexec/nix-gocacheprog
    mv $out/bin/prebuild-hook $out/bin/modproxy $out/libexec/nix-gocacheprog/
    ln -s ../../bin/cacheprog-client $out/libexec/nix-gocacheprog/
  ''
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/cacheprogctl generate generated
    installManPage generated/*.[158]
    installShellCompletion --cmd cacheprogctl --bash generated/cacheprogctl.bash --fish generated/cacheprogctl.fish --zsh generated/_cacheprogctl
  '';
  nativeInstallCheckInputs = [ versionCheckHook ];
  doInstallCheck = true;
  versionCheckProgram = "${placeholder "out"}/bin/cacheprogctl";
  versionCheckProgramArg = "--version";

  meta = {
    inherit (package) description homepage;
    changelog = "${package.homepage}/blob/v${package.version}/CHANGELOG.md";
    license = lib.licenses.bsd3;
    maintainers = [ ];
    platforms = lib.platforms.linux;
    mainProgram = "cacheprogctl";
  };
}
