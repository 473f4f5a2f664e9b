# Proves that a fresh daemon serves what its layers have (goCacheStd and goCache of buildGoModuleLayered) to its first build, in a
# real sandbox: the build compiles nothing that they have, and its program has the bytes of an ordinary one.
# With --full: layers of the client alone are in each run (case layers).
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/layered_program.sh"

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
is_compiled() { is "$1" "$2" "$(compiled "$3")"; }
own="example.test/layered example.test/layered/words main "
dependencies="dep.test/d/plain dep.test/d/withasm dep.test/d/withc "

std=$(built std --argstr attribute goCacheStd)
modules=$(built modules --argstr attribute goCache)
plain=$(built plain --argstr builder buildGoModule)
expect "without a cache Go's own packages are compiled ($(compiled plain | wc -w) in all)" test "$(compiled plain | wc -w)" -gt 100

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
expect "doctor has it, with a fix" grep -A 1 "^warn a layer: $WORK/none is NOT USED" <<< "$doctor"
expect "the log has it" grep -q "not using the layer $WORK/none" "$WORK/daemon.log"
removed=$("$BIN/cacheprogctl" purge --of-layers --dry-run --state-dir "$STATE")
expect "what was copied can be removed: $removed" grep -q '^would remove: [0-9]' <<< "$removed"
echo "summary: a fresh daemon with layers"
