# Checks the files of a release as their users would find them: unpacked, and installed by dpkg. Source it after lib/release_files.sh.
# shellcheck shell=bash source-path=SCRIPTDIR
set -euo pipefail
source "$ROOT_DIR/integration/lib/expect.sh"

# check_pages: README and docs name the files and programs of this version alone.
check_pages() {
    local others
    others=$(grep -rnoE '(nix-gocacheprog[-_]|cacheprogd )[0-9]+[.][0-9]+[.][0-9]+' README.md docs | grep -vE "[-_ ]${VERSION//./[.]}$") || true
    [ -z "$others" ] || fail "another version than $VERSION: $others"
    echo "ok: README and docs have version $VERSION"
}

# check_tarball FILE: unpacks it to RELEASE_WORK/unpacked-ARCH, and tries all that is in it.
check_tarball() {
    local dir=$RELEASE_WORK/unpacked-$ARCH
    mkdir "$dir"
    tar -xzf "$1" -C "$dir" --strip-components=1
    _check_programs "$dir"
    _check_single_files "$1"
    _check_serving "$dir"
    _check_documents "$dir/share"
    _check_overlay "$dir"
}

# _check_programs PREFIX
_check_programs() {
    local program path machine
    need_tools readelf=binutils
    for program in "${RELEASE_PROGRAMS[@]}"; do
        path=$1/libexec/nix-gocacheprog/$program
        machine=$(readelf -hW "$path" | sed -n 's/^ *Machine: *//p')
        case $ARCH:$machine in x86_64:*X86-64 | aarch64:AArch64) ;; *) fail "$program is for $machine" ;; esac
        expect "$program is static" _is_static "$path"
        is "its version" "$program $VERSION" "$("${RUN[@]}" "$path" --version)"
    done
    for program in cacheprogctl cacheprog-client cacheprog-remote; do
        expect "bin/$program is the same" test "$1/bin/$program" -ef "$1/libexec/nix-gocacheprog/$program"
    done
}

# _check_single_files TARBALL: each program of people is whole where it alone is taken from the tarball.
_check_single_files() {
    local dir=$RELEASE_WORK/single-$ARCH program name
    name=$(basename "$1" .tar.gz)
    for program in cacheprogctl cacheprog-client cacheprog-remote; do
        mkdir -p "$dir/$program"
        tar -xzf "$1" -C "$dir/$program" --strip-components=2 "$name/bin/$program"
        is "bin/$program alone, without the rest" "$program $VERSION" "$("${RUN[@]}" "$dir/$program/$program" --version)"
    done
}

# Neither a loader nor a library; as ldd sees it, too, where it can.
_is_static() {
    if readelf -lWd "$1" | grep -E 'INTERP|NEEDED'; then return 1; fi
    [ ${#RUN[@]} -gt 0 ] || { ldd "$1" 2>&1 || true; } | grep -qE 'statically linked|not a dynamic executable'
}

# _check_serving PREFIX: the programs do something, under qemu too.
_check_serving() {
    local settings=$RELEASE_WORK/settings.toml said
    printf 'max-size = "20GiB"\n' > "$settings"
    is "cacheprogctl reads settings" "$settings: valid" "$("${RUN[@]}" "$1/bin/cacheprogctl" check "$settings")"
    said=$(printf '{"ID":1,"Command":"close"}\n' | "${RUN[@]}" "$1/bin/cacheprog-client" --store "$RELEASE_WORK/store-$ARCH")
    expect "cacheprog-client serves a go command" grep -q '"KnownCommands":.*"put"' <<< "$said"
}

# _check_documents SHARE
_check_documents() {
    local page warnings
    for page in man1/{cacheprogctl,cacheprogctl-why,cacheprog-client,cacheprog-remote,modproxy}.1 man8/{cacheprogd,prebuild-hook}.8 \
        man5/{nix-gocacheprog.toml,nix-gocacheprog-hook.toml}.5; do
        [ -s "$1/man/$page" ] || fail "there is no $page"
    done
    if command -v man > /dev/null && command -v groff > /dev/null; then
        for page in "$1"/man/*/*; do
            warnings=$(LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings --local-file "$page" 2>&1 > /dev/null)
            [ -z "$warnings" ] || fail "$page: $warnings"
        done
        echo "ok: man shows all pages"
    fi
    expect "bash reads the completions" bash -n "$1/bash-completion/completions/cacheprogctl"
    expect "docs and licenses are there" test -s "$1/doc/nix-gocacheprog/docs/README.md" -a -s "$1/doc/nix-gocacheprog/LICENSE"
    expect "each crate's license is there" test "$(grep -c '^=== ' "$1/doc/nix-gocacheprog/licenses-of-dependencies.txt")" -gt 50
}

# _check_overlay PREFIX: a package set takes it; layers have the installed client, and nothing is compiled.
_check_overlay() {
    local said
    if ! command -v nix-instantiate > /dev/null; then
        echo "no Nix here: the overlay is not evaluated"
        return
    fi
    mkdir -p "$RELEASE_WORK/goroot"
    echo go1.26.0 > "$RELEASE_WORK/goroot/VERSION"
    said=$(nix-instantiate --eval --strict --store dummy:// -E "let
        pkgs = import $ROOT_DIR/integration/nixpkgs_stub { gosdk = \"$RELEASE_WORK/goroot\"; overlay = import $1/share/nix-gocacheprog/overlay.nix; };
        package = { pname = \"p\"; version = \"1\"; src = $ROOT_DIR/overlay; vendorHash = null; };
    in [ (map (input: input.name or \"\") (pkgs.buildGoModuleCached package).nativeBuildInputs)
        (builtins.match \".*-nix-gocacheprog-installed/bin/cacheprog-client --lower .*\" (pkgs.buildGoModuleLayered package).GOCACHEPROG != null) ]")
    is "its overlay has builders with the hook, and with layers" '[ [ "go-1.26.0" "nix-gocacheprog-hook" ] true ]' "$said"
}

# check_deb FILE: it has the files of the tarball, and dpkg installs, lists and removes them.
check_deb() {
    local dir=$RELEASE_WORK/unpacked-deb-$ARCH root=$RELEASE_WORK/root-$ARCH program
    dpkg-deb -x "$1" "$dir"
    expect "the package has the files of the tarball" diff <(_files "$dir/usr" | sed 's/\.gz$//' | LC_ALL=C sort) <(
        _files "$RELEASE_WORK/unpacked-$ARCH" | sed 's|zsh/site-functions|zsh/vendor-completions|; s|/LICENSE$|/copyright|' | LC_ALL=C sort)
    for program in "${RELEASE_PROGRAMS[@]}"; do
        cmp "$dir/usr/libexec/nix-gocacheprog/$program" "$BIN/$program" || fail "$program in the package is another one"
    done
    is "its architecture" "$DEB_ARCH" "$(dpkg-deb -f "$1" Architecture)"
    is "it depends on nothing" '' "$(dpkg-deb -f "$1" Depends)"
    mkdir -p "$root/var/lib/dpkg"/{info,updates}
    touch "$root/var/lib/dpkg/status"
    _dpkg "$root" --install "$1" > /dev/null
    expect "dpkg knows its files" diff <(_dpkg "$root" --listfiles nix-gocacheprog | _only_files "$root") <(_files "$root" | grep '^usr/')
    is "they are as they were packed" '' "$(_dpkg "$root" --verify nix-gocacheprog)"
    _dpkg "$root" --purge nix-gocacheprog > /dev/null
    is "dpkg removes them" '' "$(_files "$root" | grep -v '^var/lib/dpkg/')"
}

# _dpkg ROOT ARG...: in a root that has no shell; scripts run here and see the root in DPKG_ROOT.
_dpkg() { dpkg --root="$1" --log=/dev/null --force-not-root --force-script-chrootless --force-architecture "${@:2}"; }

# _files DIR: files and links in it, sorted.
_files() { (cd "$1" && find . \( -type f -o -type l \) -printf '%P\n' | LC_ALL=C sort); }

# _only_files ROOT: of absolute paths on standard input those that are files or links there, as _files prints them.
_only_files() {
    local path
    while read -r path; do
        if [ -L "$1$path" ] || [ -f "$1$path" ]; then echo "${path#/}"; fi
    done | LC_ALL=C sort
}
