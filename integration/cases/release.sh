# Proves that integration/release makes the files of a release, the same ones again, and that each way to install from them works: Debian's
# dpkg (installed, added to Nix, upgraded, removed, purged) and the tarball in /usr/local. The pages name each option that the programs have.
# `integration/test --full` also compiles for aarch64, runs a go command with that client under qemu, and installs the client by
# `cargo install --git`.
# (Backquotes are part of a message.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
# shellcheck disable=SC2034 # read by case.sh
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/doc_commands.sh"
arch=$(uname -m)
# files OUT-DIR [OPTION...]
files() {
    TEST_BIN=$BIN SOURCE_DATE_EPOCH=1700000000 "$CASE_DIR/release" --arch "$arch" "${@:2}" "$1" > "$1.log" 2>&1 ||
        { cat "$1.log" >&2; fail "integration/release"; }
}
files "$WORK/once"
files "$WORK/again" --unchecked
grep '^ok: ' "$WORK/once.log"
expect "a second run makes the same bytes" cmp "$WORK/once/SHA256SUMS" "$WORK/again/SHA256SUMS"
deb=$(echo "$WORK"/once/*.deb) tarball=$(echo "$WORK"/once/*.tar.gz)
for file in "$deb" "$tarball"; do
    # The page has the names for x86-64.
    [ "$arch" != x86_64 ] || expect "docs/how-to/install.md names ${file##*/}" grep -qF "${file##*/}" "$ROOT_DIR/docs/how-to/install.md"
done

echo "=== pages"
mkdir "$WORK/unpacked"
tar -xzf "$tarball" -C "$WORK/unpacked" --strip-components=1
# options_of PROGRAM: each long option, of its commands too.
options_of() {
    local program=$1 command
    "$BIN/$program" --help
    "$BIN/$program" --help | awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ && $1 != "help" { print $1 }' |
        while read -r command; do "$BIN/$program" "$command" --help; done
}
for program in cacheprogd cacheprog-client cacheprog-remote prebuild-hook modproxy; do
    page=$(cat "$WORK"/unpacked/share/man/man*/"$program".[18] | sed 's/\\-/-/g')
    options_of "$program" | grep -oE '(^|[ [])--[a-z-]+' | tr -d ' [' | sort -u > "$WORK/options"
    while read -r option; do
        grep -qF -e "$option" <<< "$page" || fail "crates/cacheprogctl/man/$program.md does not name $option"
    done < "$WORK/options"
    echo "ok: the page of $program names its $(wc -l < "$WORK/options") options"
done

# The machine's own dpkg and shells, in a root of which no write reaches the machine, and in which no systemd runs.
mkdir "$WORK/own"
mount -t tmpfs none "$WORK/own"
mkdir "$WORK/own"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/own/upper,workdir=$WORK/own/work" "$WORK/own/root"
root=$WORK/own/root
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
rm -rf "${root:?}"/{run,etc/nix,etc/nix-gocacheprog,etc/nix-gocacheprog.toml}
mkdir -p "$root"/{run,tmp,etc/nix}
printf 'cores = 2\n' > "$root/etc/nix/nix.conf"
cp "$deb" "$root/tmp/package.deb"
cp "$tarball" "$root/tmp/release.tar.gz"
in_root() { chroot "$root" env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@" < /dev/null; }
# left: what is there of the project, besides what was copied here and dpkg's own lists.
left() { (cd "$root" && find usr/bin usr/libexec usr/share usr/local etc var/cache -iname '*gocache*' -o -iname 'cacheprog*' | LC_ALL=C sort); }
left > "$WORK/before"

echo "=== Debian"
in_root dpkg --install /tmp/package.deb > "$WORK/dpkg" # to its end, before the next one
expect "the package tells of the next step" grep -q 'run `cacheprogctl install`' "$WORK/dpkg"
expect "nothing is changed in Nix before it" grep -qx 'cores = 2' "$root/etc/nix/nix.conf"
in_root cacheprogctl install > "$WORK/installed"
expect "Nix has the hook" grep -q '^pre-build-hook = /etc/nix-gocacheprog/hook$' "$root/etc/nix/nix.conf"
is "which is the package's" /usr/libexec/nix-gocacheprog/prebuild-hook "$(readlink "$root/etc/nix-gocacheprog/hook")"
expect "the package's pages are not written again" refused grep -qE "/share/(man|bash|zsh|fish)" "$WORK/installed"
rm "$root/etc/systemd/system/nix-gocacheprog.service"
in_root dpkg --install /tmp/package.deb > /dev/null
expect "an upgrade brings the units again" test -s "$root/etc/systemd/system/nix-gocacheprog.service"
printf 'cores = 2\npre-build-hook = /opt/other\n' > "$root/etc/nix/nix.conf"
in_root dpkg --install /tmp/package.deb > /dev/null 2> "$WORK/err"
expect "with another hook in nix.conf an upgrade warns and ends" grep -q '^nix-gocacheprog: warning: ' "$WORK/err"
sed -i /other/d "$root/etc/nix/nix.conf"
echo '# edited' | tee -a "$root/etc/nix-gocacheprog.toml" >> "$root/etc/nix-gocacheprog/hook.toml"
mkdir -p "$root/var/cache/nix-gocacheprog/objects"
in_root dpkg --remove nix-gocacheprog > "$WORK/removed"
is "removed, Nix has no hook" 'cores = 2' "$(cat "$root/etc/nix/nix.conf")"
is "edited settings and the cache stay" 2 \
    "$(cat "$root/etc/nix-gocacheprog.toml" "$root/etc/nix-gocacheprog/hook.toml" | grep -cx '# edited')"
# After it dpkg has its own lines, about triggers.
is "and our last line says how to remove them" '`dpkg --purge nix-gocacheprog` removes them' "$(grep gocacheprog "$WORK/removed" | tail -n 1 | sed 's/.*is purged: //')"
expect "neither hook nor unit stays" test ! -e "$root/etc/nix-gocacheprog/hook" -a ! -e "$root/etc/systemd/system/nix-gocacheprog.service"
in_root dpkg --purge nix-gocacheprog > "$WORK/purged"
is "purged, the last line says that they are gone" 'nix-gocacheprog: settings and cache are removed' "$(grep ^nix-gocacheprog: "$WORK/purged" | tail -n 1)"
expect "purged, nothing is left" diff "$WORK/before" <(left)
in_root dpkg --install /tmp/package.deb > /dev/null
in_root cacheprogctl install --modproxy > /dev/null
unit=$root/etc/systemd/system/nix-gocacheprog-modproxy.service
: > "$unit"
in_root dpkg --install /tmp/package.deb > "$WORK/dpkg"
expect "an upgrade brings the unit of a module proxy without the daemon" test -s "$unit"
expect "and adds nothing to Nix" refused test -e "$root/etc/nix-gocacheprog/hook"
mkdir -p "$root/var/cache/nix-gocacheprog-modproxy" "$root/var/cache/private/nix-gocacheprog-modproxy/store"
in_root dpkg --remove nix-gocacheprog > /dev/null
expect "removed, its unit is gone and its modules stay" test ! -e "$unit" -a -d "$root/var/cache/private/nix-gocacheprog-modproxy/store"
expect "and so do its settings" test -s "$root/etc/nix-gocacheprog/modproxy.env"
in_root dpkg --purge nix-gocacheprog > /dev/null
expect "purged, nothing is left of it" diff "$WORK/before" <(left)

echo "=== the tarball"
if [ "$arch" = x86_64 ]; then
    block=$(doc_block docs/how-to/without-nix.md sha256sum)
    cp -r "$WORK/once" "$root/tmp/once"
    in_root sh -ec "cd /tmp; RELEASE=file:///tmp/once; ${block//sudo /}" > "$WORK/checked"
    expect "without Nix the commands of the page check the tarball" grep -qx "${tarball##*/}: OK" "$WORK/checked"
    is "and unpack it" "$(in_root /usr/bin/env cacheprog-client --version)" "$(in_root /usr/local/bin/cacheprog-client --version)"
fi
# docs/how-to/install.md, "From a release".
in_root tar -xzf /tmp/release.tar.gz -C /usr/local --strip-components=1 --no-same-owner --no-overwrite-dir
in_root cacheprogctl install > "$WORK/installed"
expect "the tarball's pages are those of install" refused grep -q /share/man "$WORK/installed"
expect "Nix has the hook" grep -q '^pre-build-hook = /etc/nix-gocacheprog/hook$' "$root/etc/nix/nix.conf"
in_root cacheprogctl uninstall > /dev/null
is "uninstalled, Nix has no hook" 'cores = 2' "$(cat "$root/etc/nix/nix.conf")"
# docs/how-to/uninstall.md.
in_root rm -r /usr/local/libexec/nix-gocacheprog /usr/local/share/{doc/,}nix-gocacheprog /usr/local/bin/{cacheprogctl,cacheprog-client,cacheprog-remote}
expect "nothing is left" diff "$WORK/before" <(left)

if [ -n "${TEST_FULL:-}" ]; then
    echo "=== aarch64"
    "$CASE_DIR/release" --arch aarch64 "$WORK/aarch64"
    mkdir "$WORK/cross"
    tar -xzf "$WORK"/aarch64/*-aarch64-linux.tar.gz -C "$WORK/cross" --strip-components=1
    cp -r "$CASE_DIR/programs/small" "$WORK/src"
    cd "$WORK/src" || exit 1
    export CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off
    for n in 1 2; do
        GOCACHE=$WORK/gocache-$n GOCACHEPROG="qemu-aarch64-static $WORK/cross/bin/cacheprog-client --store $WORK/store" \
            go build -v ./word 2> "$WORK/compiled-$n"
    done
    head -n 50 "$WORK"/compiled-[12]
    # On a busy machine an emulated client may be out of time for packages with assembly, which are compiled again, with what depends on them.
    first=$(wc -l < "$WORK/compiled-1") again=$(wc -l < "$WORK/compiled-2")
    expect "with its client go compiles $again of $first packages again" test "$first" -gt 30 -a "$again" -lt $((first / 2))
    echo "=== cargo install"
    RUSTFLAGS="-C target-feature=+crt-static" cargo install --quiet --locked --git "file://$ROOT_DIR" --target host-tuple --root "$WORK/installed-by-cargo" cacheprog-client
    expect "the client is static" grep -q 'statically linked' <(ldd "$WORK/installed-by-cargo/bin/cacheprog-client")
fi
echo "summary: tarball and package install, upgrade, and leave nothing behind"
