# The programs of a release: compiled for this machine's architecture or for another one. Source it after lib/tools.sh; reads ROOT_DIR,
# VERSION, RELEASE_WORK and TEST_BIN.
# shellcheck shell=bash
set -euo pipefail

RELEASE_PROGRAMS=(cacheprogctl cacheprog-client cacheprog-remote cacheprogd prebuild-hook modproxy)

# set_arch ARCH: sets ARCH, DEB_ARCH (Debian's name of it) and RUN (what runs its programs here; empty: they run by themselves).
set_arch() {
    ARCH=$1 RUN=()
    case $ARCH in
        x86_64) DEB_ARCH=amd64 ;;
        aarch64) DEB_ARCH=arm64 ;;
        *) echo "release: no architecture $ARCH: x86_64 or aarch64" >&2; return 1 ;;
    esac
    [ "$ARCH" = "$(uname -m)" ] || RUN=("qemu-$ARCH-static")
}

# programs: sets BIN, the directory of the programs of ARCH.
programs() {
    BIN=$RELEASE_WORK/bin-$ARCH
    if [ ${#RUN[@]} = 0 ] && [ -n "${TEST_BIN:-}" ]; then
        mkdir "$BIN"
        cp "${RELEASE_PROGRAMS[@]/#/$TEST_BIN/}" "$BIN"
        return
    fi
    [ ${#RUN[@]} = 0 ] || _cross_tools
    _compile
}

_cross_tools() {
    need_tools "$ARCH-linux-gnu-gcc=gcc-${ARCH/_/-}-linux-gnu" "qemu-$ARCH-static=qemu-user-static"
    need_files "/usr/$ARCH-linux-gnu/lib/libc.a=libc6-dev-$DEB_ARCH-cross"
    if command -v rustup > /dev/null; then rustup --quiet target add "$ARCH-unknown-linux-gnu"; fi
}

# .cargo/config.toml makes them static. Their panics name files: those of this machine's directories by names that are the same anywhere.
_compile() {
    local target=$ARCH-unknown-linux-gnu program options=()
    local sources=${CARGO_HOME:-$HOME/.cargo} dir
    options+=(--config "target.$target.rustflags=['--remap-path-prefix=$sources=/cargo', '--remap-path-prefix=$ROOT_DIR=/source']")
    [ ${#RUN[@]} = 0 ] || options+=(--config "target.$target.linker='$ARCH-linux-gnu-gcc'")
    for program in "${RELEASE_PROGRAMS[@]}"; do options+=(-p "$program"); done
    cargo build --release --locked --target "$target" "${options[@]}"
    dir=$(cargo metadata --format-version=1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')/$target/release
    mkdir "$BIN"
    cp "${RELEASE_PROGRAMS[@]/#/$dir/}" "$BIN"
    for program in "${RELEASE_PROGRAMS[@]}"; do
        if grep -qF "$sources/registry" "$BIN/$program"; then echo "release: $program names $sources" >&2; return 1; fi
    done
}
