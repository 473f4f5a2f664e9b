# Fake builds, without Nix: each is registered as by Nix, and its commands run in a mount namespace with a root of its own, where
# /gocache is the build's directory. The machine is not changed. They are faster than sandboxes, for cases with many builds.
# Source it after lib/daemon.sh; needs root. Reads WORK, BIN and CONTROL.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/own_root.sh"

FAKE_BUILDS=0
# The environment of a build: no settings of the user, one GOCACHE for each build (it stays empty).
export GOFLAGS='' GOTOOLCHAIN=local GOTELEMETRY=off GOENV=off

# fake_build NAME COMMAND...: runs the command in the present directory as a build of this name; sets FAKE_BUILD_ID, its short id.
# Other than in a real build, files that it writes below WORK stay.
fake_build() {
    local name=$1 chroot view status=0
    shift
    FAKE_BUILDS=$((FAKE_BUILDS + 1))
    sleep 1.01 # builds are told apart by the second in which they began
    chroot=$WORK/fake-builds/$FAKE_BUILDS-$name.drv.chroot/root
    mkdir -p "$chroot/etc"
    touch "$chroot/etc/hosts" # as Nix has it in a build without a network
    view=$(NIX_GOCACHEPROG_CONTROL=$CONTROL NIX_GOCACHEPROG_CLIENT=$BIN/cacheprog-client \
        "$BIN/prebuild-hook" "/nix/store/00000000000000000000000000000000-$name.drv" "$chroot" | sed -n 's|^/gocache=||p')
    [ -d "$view" ] || { echo "fake_builds.sh: no directory for $name" >&2; return 1; }
    own_root "$chroot" "$view" env GOCACHE="$WORK/fake-builds/$FAKE_BUILDS-gocache" GOCACHEPROG="$BIN/cacheprog-client" \
        NIX_GOCACHEPROG_SOCKET=/gocache/sock "$@" || status=$?
    rm -rf "$WORK/fake-builds/$FAKE_BUILDS-gocache"
    # shellcheck disable=SC2034 # for the case
    FAKE_BUILD_ID=$("$BIN/cacheprogctl" builds --json --control-socket "$CONTROL" | sed -n 's/^ *"short": "\(.*\)",$/\1/p' | head -n 1)
    return "$status"
}

# build_during NAME COMMAND...: a build by the program WORK/build with the argument WORK/NAME; the command runs in the middle of it, when the
# build has made WORK/NAME.waiting and waits for WORK/NAME.go-on. It ends as without a cache, which is in WORK/expected.
build_during() {
    local name=$1 pid tries
    shift
    touch "$WORK/$name.waits"
    fake_build "$name" "$WORK/build" "$WORK/$name" 2> "$WORK/$name.log" & pid=$! # which asks for its id at the end
    for ((tries = 0; tries < 400; tries++)); do
        if [ -e "$WORK/$name.waiting" ]; then break; fi
        sleep 0.05
    done
    expect "$name: the build is in progress" test -e "$WORK/$name.waiting"
    "$@"
    touch "$WORK/$name.go-on"
    wait "$pid" || true
    expect "$name: both go commands succeed" test -e "$WORK/$name.ended"
    expect "$name: as without a cache" cmp "$WORK/$name" "$WORK/expected"
}

# end_fake_builds: ends all builds, by removing their chroots as Nix does. The daemon notices when they are a minute old.
end_fake_builds() { rm -rf "$WORK"/fake-builds/*.drv.chroot; }
