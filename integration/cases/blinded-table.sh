# Proves that a build finds in its blinded table what the last build of its name asked for: also when the daemon is gone, and nothing that
# was purged; that a table that is cut, damaged or another build's costs nothing; and that hits count as without a table.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034,SC2153
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/fake_builds.sh"

mkdir "$WORK/src"
cd "$WORK/src" || exit 1
printf 'module example.test/m\n\ngo 1.21\n' > go.mod
export CGO_ENABLED=0 GOPROXY=off
cat > "$WORK/build" << 'BUILD'
#!/bin/bash
# build RESULT: two go commands. Before them, if RESULT.waits exists, the build waits for its table, and for RESULT.go-on.
set -euo pipefail
result=$1
wait_for() { for ((tries = 0; tries < 1200; tries++)); do if "$@"; then return 0; fi; sleep 0.05; done; }
if [ -e "$result.waits" ]; then
    wait_for test -s /gocache/table
    cp /gocache/table "$result.table" 2> /dev/null || true
    # As a user of builds, who is neither root nor the daemon's.
    as_builder() { setpriv --reuid 30001 --regid 30001 --clear-groups "$@" 2> /dev/null; }
    if as_builder ls /gocache/p; then touch "$result.lists"; fi
    if as_builder tee -a /gocache/table < /dev/null || as_builder touch /gocache/p/new; then touch "$result.writes"; fi
    as_builder cat /gocache/table | cmp - "$result.table" # as it reads
    touch "$result.waiting"
    wait_for test -e "$result.go-on"
fi
go build -v encoding/json 2> "$result.compiled"
go list -export -f '{{.ImportPath}} {{.BuildID}}' encoding/json fmt > "$result"
touch "$result.ended"
BUILD
chmod 755 "$WORK/build"
# Go in the Nix store, as in builds of Nix: elsewhere assembly of the standard library is under a condition, for which the daemon is asked.
own_goroot
GOCACHEPROG='' GOCACHE=$WORK/plain own_root "$WORK/plain-root" "" "$WORK/build" "$WORK/expected"
rm -rf "$WORK/plain"

# build_after NAME COMMAND...: a build with a table; the command runs when the table is there.
build_after() { build_during "$1" with_table "$@"; }
with_table() {
    expect "$1: it has a table" test -s "$WORK/$1.table"
    "${@:2}"
}
# end_builds: ends them, and waits until the daemon has noticed.
end_builds() { end_fake_builds && builds_have_ended; }
table_of() { find "$STATE/builds" -name table -path '*/view/*' -newer "$WORK/$1.waits" | head -n 1; }
# counts_of NAME: what the daemon counted of the build, once the last notice has come.
counts_of() {
    local field
    sleep 0.5
    for field in gets hits repeated_gets bytes_served packages_needed packages_compiled saved_milliseconds; do
        echo -n "$field $(build_field "$1" "$field"), "
    done
}
compiles_nothing() { expect "$1: it compiles nothing" test ! -s "$WORK/$1.compiled"; }

start_daemon
fake_build app-1 "$WORK/build" "$WORK/first"
expect "the first build compiles" test -s "$WORK/first.compiled"
end_builds

echo "=== the daemon is there"
build_after app-2 true
compiles_nothing app-2
expect "a build cannot list the links" test ! -e "$WORK/app-2.lists"
expect "a build can write neither to the table nor beside the links" test ! -e "$WORK/app-2.writes"
with_table=$(counts_of app-2)
echo "    $with_table"
end_builds

echo "=== the daemon is gone"
build_after app-3 stop_daemon
compiles_nothing app-3
start_daemon

echo "=== a damaged table"
damage() { head -c 200000 /dev/urandom | dd of="$(table_of app-4)" bs=1 seek=88 conv=notrunc status=none; }
build_after app-4 damage
compiles_nothing app-4
is "hits count as with a whole one" "$with_table" "$(counts_of app-4)"
cut_off() { truncate -s 1000 "$(table_of app-5)"; }
build_after app-5 cut_off
compiles_nothing app-5
swap() { cat "$WORK/app-2.table" > "$(table_of app-6)"; }
build_after app-6 swap
compiles_nothing app-6
end_builds

echo "=== a purge"
purge() { "$BIN/cacheprogctl" purge --all --yes --state-dir "$STATE" > "$WORK/purged"; }
build_after app-7 purge
is "what was purged is compiled again" "$(sort "$WORK/first.compiled" | tr "\n" " ")" "$(sort "$WORK/app-7.compiled" | tr "\n" " ")"
expect "the purge names the build that had it" grep -q 'live build' "$WORK/purged"
end_builds

echo "=== others"
fake_build other-1 test ! -e /gocache/table
echo "    a build of another name has no table"
expect "every object and record of the store is intact" store_is_whole
echo "summary: builds find in their tables what they may, and nothing else"
