# The files of a release: a tree as it lies below /usr or /usr/local, and tarball and Debian package of it. Source it after
# lib/release_programs.sh; reads BIN, ARCH, DEB_ARCH, RUN, ROOT_DIR, VERSION and SOURCE_DATE_EPOCH.
# shellcheck shell=bash
set -euo pipefail

# make_tree DIR: the tree. All programs lie in one directory, where hook and setup hook look for each other; bin/ has those of people. These
# are hard links: tar packs bin/ first, so that a person who takes one file of it has a program and no link to one.
make_tree() {
    local dir=$1 share=$1/share made=$RELEASE_WORK/generated-$ARCH program file
    install -D -m 755 -t "$dir/libexec/nix-gocacheprog" "${RELEASE_PROGRAMS[@]/#/$BIN/}"
    mkdir -p "$dir/bin"
    for program in cacheprogctl cacheprog-client cacheprog-remote; do ln "$dir/libexec/nix-gocacheprog/$program" "$dir/bin/"; done
    "${RUN[@]}" "$BIN/cacheprogctl" generate "$made"
    for file in "$made"/*.[158]; do install -D -m 644 -t "$share/man/man${file##*.}" "$file"; done
    install -D -m 644 "$made/cacheprogctl.bash" "$share/bash-completion/completions/cacheprogctl"
    install -D -m 644 "$made/_cacheprogctl" "$share/zsh/site-functions/_cacheprogctl"
    install -D -m 644 "$made/cacheprogctl.fish" "$share/fish/vendor_completions.d/cacheprogctl.fish"
    install -D -m 644 -t "$share/doc/nix-gocacheprog" README.md CHANGELOG.md LICENSE SECURITY.md
    # With nixpkgs it takes the programs from this tree (overlay/installed.nix).
    find overlay.nix overlay -type f -print0 | while IFS= read -r -d '' file; do
        install -D -m 644 "$file" "$share/nix-gocacheprog/$file"
    done
    find docs -type f -printf '%P\0' | while IFS= read -r -d '' file; do
        install -D -m 644 "docs/$file" "$share/doc/nix-gocacheprog/docs/$file"
    done
    _licenses > "$share/doc/nix-gocacheprog/licenses-of-dependencies.txt"
}

# _licenses: the licenses of the crates whose code is in the programs. Some ask for their text beside each copy.
_licenses() {
    local packages=() program crate number dir license
    for program in "${RELEASE_PROGRAMS[@]}"; do packages+=(-p "$program"); done
    cargo metadata --locked --format-version=1 --filter-platform "$ARCH-unknown-linux-gnu" | grep -oE '"manifest_path":"[^"]*"' | cut -d'"' -f4 | sort -u > "$RELEASE_WORK/manifests"
    echo "The programs are linked with Rust's standard library (MIT or Apache-2.0), the GNU C library (LGPL-2.1 or later), and these crates:"
    cargo tree --locked --target "$ARCH-unknown-linux-gnu" -e normal --prefix none --format '{p}|{l}' "${packages[@]}" |
        sed -nE 's/^([^ ]+) v([^ |]+)[^|]*\|(.*)$/\1 \2 \3/p' | sed -E 's/ \(\*\)$//' | LC_ALL=C sort -u |
        while read -r crate number license; do
            dir=$(grep -F "/$crate-$number/Cargo.toml" "$RELEASE_WORK/manifests" | head -n 1) || continue # one of this checkout
            dir=$(dirname "$dir")
            printf '\n=== %s %s: %s\n' "$crate" "$number" "$license"
            find "$dir" -maxdepth 1 -type f \( -iname 'license*' -o -iname 'licence*' -o -iname 'copying*' -o -iname 'notice*' \) -print0 |
                LC_ALL=C sort -z | xargs -0 -r cat
        done
}

# make_tarball TREE FILE
make_tarball() {
    local name
    name=$(basename "$2" .tar.gz)
    tar --create --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
        --transform="s|^\.|$name|S" -C "$1" . | gzip -9n > "$2"
}

# make_deb TREE FILE: the tree below /usr. The scripts do what `cacheprogctl install` wrote, and no more: an administrator adds the hook to Nix.
make_deb() {
    local root=$RELEASE_WORK/deb-$ARCH doc
    mkdir -p "$root/DEBIAN"
    cp -a "$1" "$root/usr"
    doc=$root/usr/share/doc/nix-gocacheprog
    mkdir "$root/usr/share/zsh/vendor-completions"
    mv "$root/usr/share/zsh/site-functions/_cacheprogctl" "$root/usr/share/zsh/vendor-completions/"
    rmdir "$root/usr/share/zsh/site-functions"
    mv "$doc/LICENSE" "$doc/copyright"
    find "$root/usr/share/man" "$doc/licenses-of-dependencies.txt" -type f -exec gzip -9n {} +
    _control "$(find "$root/usr" -type f -printf '%i %s\n' | sort -u | awk '{ sum += int(($2 + 1023) / 1024) } END { print sum }')" > "$root/DEBIAN/control"
    install -m 755 -t "$root/DEBIAN" integration/debian/{postinst,prerm,postrm}
    (cd "$root" && find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum > DEBIAN/md5sums)
    find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$2" > /dev/null
}

# _control KIBIBYTES
_control() {
    local homepage
    homepage=$(sed -n '/^\[workspace.package\]/,/^\[/s/^homepage = "\(.*\)"/\1/p' Cargo.toml)
    cat << CONTROL
Package: nix-gocacheprog
Version: $VERSION
Architecture: $DEB_ARCH
Maintainer: the nix-gocacheprog authors
Installed-Size: $1
Suggests: nix-bin, golang-go
Section: devel
Priority: optional
Homepage: $homepage
Description: Go's build and module caches in sandboxed Nix builds
 A daemon keeps the build cache of Go on the host, and a pre-build-hook of
 Nix mounts it into the sandboxes of builds that ask for it. Outside of Nix
 the same client is a cache program for the go command (GOCACHEPROG).
 .
 \`cacheprogctl install\` adds the hook and the daemon to the system.
CONTROL
}
