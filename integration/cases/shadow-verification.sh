# Proves that with shadow verification builds end as without a cache, that real outputs of Go come out the same, and that an output
# which does not is found, named and taken out of service. With real go commands in fake builds.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2153
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/fake_builds.sh"
need_tools python3=python3-minimal

mkdir "$WORK/src"
cd "$WORK/src"
printf 'module example.test/m\n\ngo 1.21\n' > go.mod
export CGO_ENABLED=0 GOPROXY=off
printf '[trust]\nshadow-seconds-per-hour = 3600\n' > "$WORK/settings.toml"
SERVE_ARGS=(--config "$WORK/settings.toml")
start_daemon
ctl() { "$BIN/cacheprogctl" "$@" --control-socket "$CONTROL"; }
# found NAME: a number of the status's verification.
found() { ctl status --json | sed -n '/"verification"/,/}/ s/.*"'"$1"'": \([0-9]*\).*/\1/p' | head -n 1; }
list() { go list -export -f '{{.ImportPath}} {{.BuildID}}' "$@"; }
build() { fake_build "$1" bash -c "set -e; $(declare -f list); list ${*:2} > $WORK/$1"; }

PACKAGES='-deps text/template'
# shellcheck disable=SC2086 # words
GOCACHEPROG='' GOCACHE=$WORK/plain list $PACKAGES > "$WORK/expected"
build first "$PACKAGES"
for n in {1..8}; do
    build "again-$n" "$PACKAGES"
    expect "again-$n: as without a cache" cmp "$WORK/again-$n" "$WORK/expected"
    if [ "$(found compared)" -gt 0 ]; then break; fi
done
expect "outputs were computed again" test "$(found compared)" -gt 0
is "and came out the same" 0 "$(found differing)"
compared=$(found compared)
why=$(ctl why "again-$n" --all)
expect "why names the cause of these misses" grep -q 'computed again' <<< "$why"

# A package on which no other one here depends, whose code says that it comes from another file: it works, and is another output.
TARGET=container/ring
fake_build hostile env GOCACHEPROG="python3 $CASE_DIR/programs/alter_puts.py ring.go RING.go $BIN/cacheprog-client" go build "$TARGET"
is "the hostile build puts an archive of its own" 1 "$(build_field hostile packages_compiled)"
for n in {1..200}; do
    build "victim-$n" "$TARGET"
    if [ "$(found differing)" -gt 0 ]; then break; fi
done
is "it is found" 1 "$(found differing)"
status=$(ctl status)
sed -n '/shadow/,/ago:/p' <<< "$status"
expect "status names package and builds" grep -q "package $TARGET: .* of hostile .* of victim-$n .* again" <<< "$status"
doctor=$(ctl doctor --config "$WORK/settings.toml" --state-dir "$STATE" 2>&1 || true)
expect "doctor has it" grep -q "package $TARGET" <<< "$(grep -A 1 "shadow verification" <<< "$doctor")"
build after "$TARGET"
is "no build is given it any more" 1 "$(build_field after packages_compiled)"
build later "$TARGET"
is "and nothing in its place" 1 "$(build_field later packages_compiled)"
why=$(ctl why later --all)
expect "why says that it is in quarantine" grep -q quarantined <<< "$why"
expect "it can be removed" grep -q 'removed: 1 of' <<< "$("$BIN/cacheprogctl" purge --quarantined --state-dir "$STATE")"
build honest "$TARGET"
# One hit in sixteen is withheld from these too.
for m in {1..4}; do
    build "given-$m" "$TARGET"
    if [ "$(build_field "given-$m" packages_compiled)" = 0 ]; then break; fi
done
is "then the next output is shared" 0 "$(build_field "given-$m" packages_compiled)"
echo "summary: $compared outputs of Go computed again, all the same; a hostile one was found by build $n"
