# Where cargo puts release programs. Source it.
# shellcheck shell=bash

# release_dir ROOT: the directory of the release programs of the checkout in ROOT.
release_dir() {
    local target
    target=$(cd "$1" && cargo metadata --format-version=1 --no-deps --offline | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
    echo "$target/$(rustc -vV | sed -n 's/^host: //p')/release"
}
