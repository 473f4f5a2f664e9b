# The compiler as nixpkgs wraps it: bin/{cc,gcc,c++,g++,ld} that add NIX_CFLAGS_COMPILE, NIX_CFLAGS_LINK and NIX_LDFLAGS,
# and a setup hook that exports NIX_CC, CC, CXX and friends and adds -isystem and -L of the build's inputs.
# ccFlags and ldFlags lie in the wrapper's nix-support, where nixpkgs keeps those of libc: another header path there
# changes NIX_CC and no other variable, which is how a C library is upgraded under Go's cache.
{
  runBash,
  ccFlags,
  ldFlags,
}:
runBash "gcc-wrapper-stub"
  {
    inherit ccFlags ldFlags;
    wrapper = ./cc-wrapper.sh;
    hook = ./cc-setup-hook.sh;
  }
  ''
    mkdir -p "$out/bin" "$out/nix-support"
    echo "$ccFlags" > "$out/nix-support/cc-cflags"
    echo "$ldFlags" > "$out/nix-support/cc-ldflags"
    for name in cc:gcc gcc:gcc c++:g++ g++:g++ ld:ld; do
        sed -e "s|@out@|$out|; s|@program@|/usr/bin/''${name#*:}|" "$wrapper" > "$out/bin/''${name%:*}"
        chmod +x "$out/bin/''${name%:*}"
    done
    sed -e "s|@out@|$out|g" "$hook" > "$out/nix-support/setup-hook"
  ''
