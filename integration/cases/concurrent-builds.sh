# Proves that two builds of the same packages can run at the same time on an empty cache, together with a build without Go.
# (Texts for Nix are not expanded; variables are read by sourced files.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
source "$(dirname "$0")/../lib/case.sh"
NIX_MAX_JOBS=3
start_daemon
cat > "$WORK/overlap.nix" <<NIX
let
  small = version: import $CASE_DIR/nix/small.nix {
    gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix;
    extra = {
      inherit version;
      $NO_TESTS
      preBuild = "echo @\${version} begins \$(date +%s.%N)";
      preInstall = "echo @\${version} ends \$(date +%s.%N)";
    };
  };
  pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = "$SDK"; };
in [
  (small "left") (small "right")
  (pkgs.stdenv.mkDerivation { name = "no-go"; buildCommand = "ls -d /gocache* > \$out 2>&1 || true"; })
]
NIX
mapfile -t outs < <(nixbuild "$WORK/overlap.nix" 2> "$WORK/overlap.log" || { tail -n 30 "$WORK/overlap.log" >&2; exit 1; })
expect "three builds succeeded" test "${#outs[@]}" = 3
grep -ho '@[a-z]* [a-z]* [0-9.]*' "$WORK/overlap.log" | sort -k3
# Both have to begin before one ends.
expect "the builds overlapped" awk '/@(left|right) begins/ && $NF > begin { begin = $NF } /@(left|right) ends/ && (!end || $NF < end) { end = $NF }
    END { exit !(begin && end && begin < end) }' "$WORK/overlap.log"
if grep -q gocache- "${outs[2]}"; then fail "the build without Go was offered a cache"; fi
entries=$("$BIN/cacheprogctl" status --json --control-socket "$CONTROL" | sed -n 's/^  "entries": \([0-9]*\),/\1/p')
for build in left right; do
    shared=$(($(build_field "small-$build" puts) - $(build_field "small-$build" private_puts)))
    expect "small-$build put $shared shared entries, none of the $entries twice" test "$shared" -le "$entries"
    expect "no conflict" counts "small-$build" conflicts -eq 0
done
expect "every object and record of the store is intact" store_is_whole
