#!/bin/bash
# One of the compiler wrapper's programs (cc.nix fills in the @...@): the real compiler or linker with the flags of the
# environment and of the wrapper's own nix-support after the caller's. Flags for linking are added only when it links,
# and nothing is added for a bare -v, whose output cmd/go reads as the compiler's identity.
set -euo pipefail

program=@program@ support=@out@/nix-support
after=()

if [ "${program##*/}" = ld ]; then
    read -ra after <<< "${NIX_LDFLAGS:-} $(< "$support/cc-ldflags")"
    exec "$program" "$@" "${after[@]}"
fi

links=0
for argument in "$@"; do
    case $argument in
        -[cSEM] | -MM) links=0; break ;;
        -*) ;;
        *) links=1 ;;
    esac
done

if [ "$*" != -v ]; then
    read -ra after <<< "${NIX_CFLAGS_COMPILE:-} $(< "$support/cc-cflags")"
    if [ "$links" = 1 ]; then
        read -ra compilerFlags <<< "${NIX_CFLAGS_LINK:-}"
        read -ra linkerFlags <<< "${NIX_LDFLAGS:-} $(< "$support/cc-ldflags")"
        after+=("${compilerFlags[@]}")
        for flag in "${linkerFlags[@]}"; do
            if [[ $flag == -L/* ]]; then after+=("$flag"); else after+=("-Wl,$flag"); fi
        done
    fi
fi
exec "$program" "$@" "${after[@]}"
