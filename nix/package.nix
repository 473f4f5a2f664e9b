# The programs. Call it with pkgsStatic: what is mounted into a sandbox finds no library there. (With the plain
# package set it builds programs that need their libraries' store paths, which a sandbox does not have.)
{ lib, rustPlatform }:
let
  programs = [ "-p" "cacheprogd" "-p" "cacheprogctl" "-p" "cacheprog-client" "-p" "prebuild-hook" "-p" "modproxy" "-p" "cacheprog-remote" ];
  inherit (lib) fileset;
in
rustPlatform.buildRustPackage {
  pname = "nix-gocacheprog";
  version = (lib.importTOML ../Cargo.toml).workspace.package.version;
  # Without .cargo/config.toml, which makes cargo's own programs static: here the package set does.
  src = fileset.toSource {
    root = ../.;
    fileset = fileset.unions [ ../Cargo.toml ../Cargo.lock ../clippy.toml ../crates ../docs ../fuzz/seeds ../fuzz/corpora ../integration/matrix ../integration/s3_double ];
  };
  cargoLock.lockFile = ../Cargo.lock;
  cargoBuildFlags = programs;
  cargoTestFlags = programs;
  # Nix and the setup hook run these two, and no user: their names could meet others on a PATH. The hook looks for the client and
  # modproxy in its own directory.
  postInstall = ''
    mkdir -p $out/libexec/nix-gocacheprog
    mv $out/bin/prebuild-hook $out/bin/modproxy $out/libexec/nix-gocacheprog/
    ln -s ../../bin/cacheprog-client $out/libexec/nix-gocacheprog/
  '';

  meta = {
    description = "Go's build cache inside sandboxed Nix builds";
    license = lib.licenses.bsd3;
    platforms = lib.platforms.linux;
    mainProgram = "cacheprogctl";
  };
}
