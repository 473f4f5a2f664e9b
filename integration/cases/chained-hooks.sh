# Proves that other pre-build-hooks work together with ours: the mounts of both are there; a hook that fails ends the build as it
# would without us; a hook that cannot be started, or whose output is cut off, does no harm.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
ln -s "$BIN/prebuild-hook" "$WORK/chained"
PRE_BUILD_HOOK=$WORK/chained
chain() { printf 'chain = [%s]\ncontrol = "%s"\n' "$1" "$CONTROL" > "$PRE_BUILD_HOOK.toml"; }
mkdir "$WORK/other"
echo 'from another hook' > "$WORK/other/text"
# other NAME COMMAND: makes another hook.
other() {
    printf '#!/bin/sh\n%s\n' "$2" > "$WORK/$1"
    chmod 755 "$WORK/$1"
}
other good "printf 'extra-sandbox-paths\n/other=$WORK/other\n'"
other cut "printf 'extra-sandbox-paths\n/cut=$WORK/other\n/lost=/now'"
other fails 'exit 3'
reads='{ doCheck = false; postInstall = "cat /other/text > $out/text"; }'

chain "'$WORK/good'"
for version in 1 2; do out=$(small "$version" --arg extra "$reads"); done
expect "the other hook's mount is there" grep -q 'from another hook' "$out/text"
expect "the build used the cache" counts small-2 hits -gt 100
chain "'$WORK/cut', '$WORK/missing', '$WORK/good'"
out=$(small 3 --arg extra "$reads")
expect "the cache is used after a hook with cut output and a missing hook" counts small-3 hits -gt 100
expect "the log names the missing hook" grep -q 'missing, which cannot be started' "$WORK/small-3.log"
chain "'$WORK/good', '$WORK/fails'"
if small 4 2> "$WORK/err"; then fail "a hook that fails did not end the build"; fi
cp "$WORK/err" "$WORK/with-us"
if PRE_BUILD_HOOK=$WORK/fails small 4 2> "$WORK/err"; then fail "a hook that fails did not end the build without us"; fi
# Nix' message contains the name of the program.
expect "a hook that fails ends the build as without us" \
    diff <(grep error: "$WORK/with-us" | sed "s|$WORK/[a-z]*||") <(grep error: "$WORK/err" | sed "s|$WORK/[a-z]*||")
echo "summary: other hooks: both mounted, failures as without us"
