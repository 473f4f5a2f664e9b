# Proves that a fresh daemon serves what its layers have (goCacheStd and goCache of buildGoModuleLayered) to its first build, in a
# real sandbox: the build compiles nothing that they have, and its program has the bytes of an ordinary one.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"
mkdir -p "$WORK/programs/bin"
cp "$BIN/cacheprog-client" "$BIN/cacheprogctl" "$WORK/programs/bin/"
PROGRAMS=$(nix_run nix-store --add "$WORK/programs")

# built NAME [NIX-ARG...]: builds it; prints the path.
built() {
    local name=$1
    shift
    nixbuild "$CASE_DIR/nix/layered.nix" --argstr gosdk "$SDK" --arg overlay "$ROOT_DIR/overlay/default.nix" --argstr programs "$PROGRAMS" \
        --arg src "$CASE_DIR/programs/layered" "$@" 2> "$WORK/$name.log" || { tail -n 40 "$WORK/$name.log" >&2; return 1; }
}
# compiled NAME: the packages that the build compiled, sorted; go commands print their commands.
compiled() { grep -oE '/compile .* -p [^ ]+' "$WORK/$1.log" | sed 's/.* -p //' | sort -u; }

# Linked with C a program has the path of its own output in it, and ld's hash of all its bytes.
without_its_path() { objcopy --remove-section .note.gnu.build-id "$1/bin/layered" "$WORK/bytes-$(basename "$1")" && sed "s|$1|OUT|g" "$WORK/bytes-$(basename "$1")"; }
same_but_for_its_path() { cmp <(without_its_path "$1") <(without_its_path "$2"); }

# layers PATH...: starts a daemon with an empty store and these layers.
SERVE_ARGS=(--config "$WORK/settings.toml")
layers() {
    stop_daemon
    new_state
    printf 'layers = [%s]\n' "$(printf '"%s", ' "$@")" > "$WORK/settings.toml"
    expect "the settings are valid" "$BIN/cacheprogctl" check "$WORK/settings.toml"
    start_daemon
}
# is_compiled WHAT PACKAGES NAME: the build compiled these packages and no others.
is_compiled() { is "$1" "$2" "$(compiled "$3" | tr '\n' ' ')"; }
own="example.test/layered example.test/layered/words main "
dependencies="dep.test/d/plain dep.test/d/withasm dep.test/d/withc "

std=$(built std --argstr attribute goCacheStd)
modules=$(built modules --argstr attribute goCache)
plain=$(built plain --argstr builder buildGoModule)
expect "without a cache Go's own packages are compiled ($(compiled plain | wc -l) in all)" test "$(compiled plain | wc -l)" -gt 100

layers "$std" "$modules"
cached=$(built cached --argstr builder buildGoModuleCached)
is_compiled "with layers of std and of modules the build compiles its own packages" "$own" cached
expect "the program has the bytes of an ordinary one" same_but_for_its_path "$plain" "$cached"
status_json | sed -n '/"layers"/,/\]/p'

layers "$WORK/none" "$std"
built again --argstr builder buildGoModuleCached --argstr version 2 > /dev/null
# The layer of std is shared by packages: it does not have the variables of this one, which count for C.
is_compiled "with std alone it compiles the modules too, and what of std has C" "$dependencies${own}runtime/cgo " again
copied=$(status_json | sed -n '/"layers"/,/\]/ s/.*"copied": \([0-9]*\).*/\1/p' | tail -n 1)
expect "the status counts what was copied ($copied entries)" test "$copied" -gt 100
expect "the copies are whole" store_is_whole

status=$("$BIN/cacheprogctl" status --control-socket "$CONTROL")
grep '^layer' <<< "$status"
expect "the status names the layer that is missing" grep -q "^layer $WORK/none is NOT USED: .*No such file" <<< "$status"
doctor=$("$BIN/cacheprogctl" doctor --control-socket "$CONTROL" --config "$WORK/settings.toml" --state-dir "$STATE" 2>&1 || true)
expect "doctor has it, with a fix" grep -A 1 "^warn the layers: $WORK/none is NOT USED" <<< "$doctor"
expect "the log has it" grep -q "not using the layer $WORK/none" "$WORK/daemon.log"
removed=$("$BIN/cacheprogctl" purge --of-layers --dry-run --state-dir "$STATE")
expect "what was copied can be removed: $removed" grep -q '^would remove: [0-9]' <<< "$removed"
echo "summary: a fresh daemon with layers"
