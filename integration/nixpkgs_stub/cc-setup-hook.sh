# The setup hook of the stub's compiler wrapper (cc.nix fills in @out@): the variables nixpkgs' wrapper exports, the
# include and library directories of the build's inputs, and the random seed that makes gcc's output repeatable. That
# seed differs in every derivation, which a cache key made from NIX_CFLAGS_COMPILE has to know.
# shellcheck shell=bash disable=SC2154
_addCompilerFlags() {
    if [ -d "$1/include" ]; then export NIX_CFLAGS_COMPILE+=" -isystem $1/include"; fi
    if [ -d "$1/lib" ]; then export NIX_LDFLAGS+=" -L$1/lib"; fi
}
addEnvHooks 0 _addCompilerFlags

export NIX_CC=@out@ CC=gcc CXX=g++ NIX_BINTOOLS=@out@ NIX_ENFORCE_NO_NATIVE="${NIX_ENFORCE_NO_NATIVE-1}"
export LD=ld AR=ar AS=as NM=nm OBJCOPY=objcopy OBJDUMP=objdump RANLIB=ranlib READELF=readelf SIZE=size STRINGS=strings STRIP=strip
export NIX_HARDENING_ENABLE="${NIX_HARDENING_ENABLE-bindnow format fortify fortify3 pic relro stackprotector strictoverflow zerocallusedregs}"

_outHash=${out##*/}
export NIX_CFLAGS_COMPILE+=" -frandom-seed=${_outHash:0:10}"
unset _outHash
