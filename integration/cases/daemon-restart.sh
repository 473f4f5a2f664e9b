# Proves that a build succeeds when the daemon is killed, or stopped for a while, in the middle of it, and that the next build hits.
# shellcheck shell=bash source-path=SCRIPTDIR
source "$(dirname "$0")/../lib/case.sh"
start_daemon

small killed > "$WORK/out" & build=$!
expect "the build is in progress" in_the_middle small-killed
stop_daemon KILL
start_daemon
expect "the build succeeded though the daemon was killed" wait "$build"
expect "it used the new daemon" counts small-killed puts -gt 100
small after-kill > /dev/null
expect "the next build hits" counts small-after-kill hits -gt 500
# Puts in progress at the kill may be missing: a few of 700 entries.
puts=$(($(build_field small-after-kill puts) - $(build_field small-after-kill private_puts)))
echo "    the next build put $puts entries again"
expect "only puts in progress are missing" test "$puts" -le 60
expect "every object and record of the store is intact" store_is_whole

stop_daemon
new_state
start_daemon
small stopped --arg extra "{ $NO_TESTS }" > "$WORK/out" & build=$!
expect "the build is in progress" in_the_middle small-stopped
stop_daemon
sleep 2
start_daemon
expect "the build succeeded though the daemon was stopped for two seconds" wait "$build"
small after-stop > /dev/null
expect "the next build hits" counts small-after-stop hits -gt 500
expect "every object and record of the store is intact" store_is_whole
