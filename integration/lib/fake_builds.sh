# Builds without Nix: each registers as Nix would, and its commands run where /gocache is the build's directory, in a mount
# namespace and a root of their own, so that the machine sees nothing of it. Faster than sandboxes, for what needs many builds.
# Source it after lib/daemon.sh; needs root. Reads WORK, BIN and CONTROL.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/own_root.sh"

FAKE_BUILDS=0
# As a build has it: nothing of the user's, one GOCACHE a build (it stays empty).
export GOFLAGS='' GOTOOLCHAIN=local GOTELEMETRY=off GOENV=off

# fake_build NAME COMMAND...: a build of this name runs the command in the present directory; FAKE_BUILD_ID is its id for people.
# Another root of the process is all that tells it from a build: what it writes below WORK stays.
fake_build() {
    local name=$1 chroot view status=0
    shift
    FAKE_BUILDS=$((FAKE_BUILDS + 1))
    sleep 1.01 # builds are told apart by the second in which they began
    chroot=$WORK/fake-builds/$FAKE_BUILDS-$name.drv.chroot/root
    mkdir -p "$chroot"
    view=$(NIX_GOCACHEPROG_CONTROL=$CONTROL NIX_GOCACHEPROG_CLIENT=$BIN/cacheprog-client \
        "$BIN/prebuild-hook" "/nix/store/00000000000000000000000000000000-$name.drv" "$chroot" | sed -n 's|^/gocache=||p')
    [ -d "$view" ] || { echo "fake_builds.sh: no directory for $name" >&2; return 1; }
    own_root "$chroot" "$view" env GOCACHE="$WORK/fake-builds/$FAKE_BUILDS-gocache" GOCACHEPROG="$BIN/cacheprog-client" \
        NIX_GOCACHEPROG_SOCKET=/gocache/sock "$@" || status=$?
    rm -rf "$WORK/fake-builds/$FAKE_BUILDS-gocache"
    # shellcheck disable=SC2034 # for the case
    FAKE_BUILD_ID=$("$BIN/cacheprogd" builds --json --control-socket "$CONTROL" | sed -n 's/^ *"short": "\(.*\)",$/\1/p' | head -n 1)
    return "$status"
}

# end_fake_builds: all builds are over, as when Nix has removed their chroots. The daemon sees it when they are a minute old.
end_fake_builds() { rm -rf "$WORK"/fake-builds/*.drv.chroot; }
