# Proves that builds use the cache through the overlays, as in the README: the cached builder, a package that is given the cache,
# and the intercepting overlay, where packages need no change; and that an edit of a flake compiles little again.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
# built OVERLAY VERSION EXPRESSION: builds it, with `pkgs` and the `small` program's arguments.
built() {
    cat > "$WORK/$2.nix" << NIX
let
  pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = "$SDK"; overlay = $ROOT_DIR/$1; };
  small = { pname = "small"; version = "$2"; vendorHash = null; src = builtins.path { name = "small-source"; path = $CASE_DIR/programs/small; }; };
in $3
NIX
    nixbuild "$WORK/$2.nix" > /dev/null
}
small 1 > /dev/null
built overlay.nix cached 'pkgs.buildGoModuleCached small'
expect "the cached builder uses the cache" counts small-cached hits -gt 100
built overlay.nix given 'pkgs.withGocacheprog (pkgs.buildGoModule (finalAttrs: small // { meta.description = finalAttrs.pname; }))'
expect "withGocacheprog gives a package the cache" counts small-given hits -gt 100
built overlay.nix plain "pkgs.buildGoModule (small // { $NO_TESTS })"
expect "other packages do not use the cache" test -z "$(build_field small-plain id)"
built overlay/intercept.nix intercepted 'pkgs.buildGoModule small'
expect "under the intercepting overlay a package uses the cache" counts small-intercepted hits -gt 100
# A flake's own source is a path with a hash in its name, another one after each edit. Tests have their source's directory in their keys.
# of_flake VERSION FIRST-OF-HASH: builds that version from such a source.
of_flake() {
    local src=$WORK/${2}0123456789abcdfghijklmnpqrsvwxy-source
    cp -r "$CASE_DIR/programs/small" "$src"
    echo "// $1" >> "$src/cmd/small/main.go"
    built overlay.nix "$1" "pkgs.buildGoModuleCached (small // { src = $src; })"
}
of_flake flake 1
of_flake edited 2
puts=$(build_field small-edited puts)
expect "after an edit of a flake little is compiled ($puts outputs are put, at first $(build_field small-flake puts))" \
    test "$puts" -gt 0 -a "$puts" -lt 40
echo "summary: builders of the overlays use the cache, others do not"
