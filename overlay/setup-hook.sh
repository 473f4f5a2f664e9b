# nix-gocacheprog: use the host's Go cache in this build, where the host offers it; elsewhere do nothing.
# This text is part of the hash of every derivation that uses it, so it says only when to ask. What to do is printed by
# the client, which the host mounts; it is evaluated only if the client succeeds. NIX_GOCACHEPROG=0 switches it off, and
# a GOCACHEPROG that somebody else set stays.
# shellcheck shell=bash
nixGocacheprog() {
    local commands
    case "${NIX_GOCACHEPROG-1}:${GOCACHEPROG-}" in
        0:*) return 0 ;;
        *: | *:/gocache-client) ;;
        *) return 0 ;;
    esac
    [ -x /gocache-client ] || return 0
    if commands=$(/gocache-client env "$1"); then
        eval "$commands"
    fi
}

# shellcheck disable=SC2034 # arrays that stdenv's runHook reads
{
    postConfigureHooks+=('nixGocacheprog postConfigure')
    preBuildHooks+=('nixGocacheprog preBuild')
    postBuildHooks+=('nixGocacheprog postBuild')
    preCheckHooks+=('nixGocacheprog preCheck')
    postCheckHooks+=('nixGocacheprog postCheck')
    exitHooks+=('nixGocacheprog exit')
}
