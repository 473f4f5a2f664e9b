# Proves, from inside a sandbox, that a build cannot list, change or replace what the cache shows it, and cannot reach other builds
# or the control socket.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
warm_start
small 1 > /dev/null
# An output in the store for which the attacker does not ask: a package of the small program.
foreign=$(grep -lra example.test/small/table "$STATE/objects" | head -n 1 | xargs basename)
# A build that runs until the end of the case: its chroot stays.
mkdir -p "$WORK/victim.drv.chroot/root"
victim=$("$WORK/hook" "/nix/store/00000000000000000000000000000000-victim.drv" "$WORK/victim.drv.chroot/root" | sed -n 's|^/gocache=||p')

cat > "$WORK/attack.nix" <<NIX
let
  pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = "$SDK"; overlay = $ROOT_DIR/overlay/default.nix; };
  bin = builtins.path { name = "bin"; path = $BIN; };
in pkgs.stdenv.mkDerivation {
  name = "attack";
  nativeBuildInputs = [ pkgs.go pkgs.nixGocacheprogHook ];
  buildCommand = ''
    set +e
    export GOCACHE=\$TMPDIR/gc GOPATH=\$TMPDIR/go GOTOOLCHAIN=local CGO_ENABLED=0 GOCACHEPROG=/gocache-client
    mkdir work && cd work
    printf 'module m\ngo 1.24\n' > go.mod
    printf 'package main\nimport "fmt"\nfunc main() { fmt.Println(1) }\n' > main.go
    go build -o prog . || exit 1
    served=\$(go list -export -f '{{.Export}}' fmt)
    cmp -s \$served \$served || exit 1
    echo "served \$served"
    try() { what=\$1; shift; if "\$@" > /dev/null 2>&1; then echo "SUCCEEDED: \$what"; else echo "refused: \$what"; fi; }
    {
      try "listing the outputs" ls /gocache/o
      try "writing to a served file" bash -c "echo evil >> \$served"
      try "writing by its own descriptor, opened again" bash -c "exec 9< \$served; echo evil >> /proc/self/fd/9"
      try "truncating a served file" truncate -s 0 \$served
      try "making it writable" chmod u+w \$served
      try "making it executable" chmod a+x \$served
      try "setting its time" touch \$served
      try "removing it" rm -f \$served
      try "renaming it" mv -f \$served \$TMPDIR/stolen
      try "linking it to elsewhere" ln \$served \$TMPDIR/linked
      try "linking something into the directory" ln main.go /gocache/o/evil
      try "making a file in the directory" touch /gocache/o/evil
      try "making a file beside the socket" touch /gocache/evil
      try "removing the socket" rm -f /gocache/sock
      try "replacing the client" cp main.go /gocache-client
      try "reading an output it did not name" cat /gocache/o/$foreign
      try "leaving its directory upwards" ls /gocache/../builds
      try "reaching another build's directory" ls $victim
      try "asking the control socket's questions of its own socket" \${bin}/cacheprogctl status --control-socket /gocache/sock
      try "asking the control socket" \${bin}/cacheprogctl status --control-socket $CONTROL
      try "asking the control socket at its usual place" \${bin}/cacheprogctl status
    } > \$out
    cmp -s \$served \$served || exit 1
  '';
}
NIX
sed -i '/bin\/true/d' "$WORK/attack.nix"
out=$(nixbuild "$WORK/attack.nix")
cat "$out"
expect "the other build still has its socket" test -S "$victim/sock"
expect "21 attacks were tried" test "$(wc -l < "$out")" = 21
if grep SUCCEEDED "$out"; then fail "an attack from the sandbox succeeded"; fi
expect "every object and record of the store is intact" store_is_whole
