# Proves that the commands of README and docs are right: each use of our programs names a subcommand and options that they have, and the
# commands for a shell without Nix do what their pages say, as they are written there.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/doc_commands.sh"

commands=0
while IFS='|' read -r page command; do
    knows_command "$BIN" "$command" || fail "$page: $command"
    commands=$((commands + 1))
done < <(doc_commands cacheprogctl cacheprogd cacheprog-client cacheprog-remote modproxy prebuild-hook)
expect "there are many of them ($commands)" test "$commands" -gt 60

# The programs are where the pages have them, in this mount namespace.
install -D -m 755 -t "$WORK/local/libexec/nix-gocacheprog" "$BIN"/*
install -D -m 755 -t "$WORK/local/bin" "$BIN"/cacheprog*
mount -t overlay overlay -o "lowerdir=$WORK/local:/usr/local" /usr/local
export HOME=$WORK/home GOMODCACHE=$WORK/home/mod GOFLAGS=-mod=mod CGO_ENABLED=0
GOROOT=$(go env GOROOT)
export PATH=$GOROOT/bin:$PATH GOTOOLCHAIN=local
cp -r "$CASE_DIR/programs/small" "$WORK/src"
cd "$WORK/src" || exit 1

# compiled COMMANDS: how many packages these commands of a page compile, in a GOCACHE of their own.
compiled() {
    (
        export GOCACHE=$WORK/gocache CI_CACHE=$WORK/ci
        rm -rf "$GOCACHE" 2> /dev/null || { sleep 2; rm -rf "$GOCACHE"; }
        eval "${1//go build/go build -v}"
    ) 2>&1 | grep -c '^[a-z]' || true
}

echo "=== without Nix"
page=docs/how-to/without-nix.md
block=$(doc_block "$page" 'GOCACHEPROG=cacheprog-client go build')
expect "README has the same command" grep -qF "$(head -n 1 <<< "$block")" "$ROOT_DIR/README.md"
expect "the first build compiles ($(compiled "$block"))" test -d "$HOME/.cache/nix-gocacheprog"
expect "the next one, with an empty GOCACHE, does not" test "$(compiled "$block")" = 0
block=$(doc_block "$page" 'export GOCACHEPROG=')
expect "in CI the first build compiles" test "$(compiled "$block"$'\ngo build ./...')" -gt 20
expect "in CI the next one does not" test "$(compiled "$block"$'\ngo build ./...')" = 0
block=$(doc_block "$page" '--lower' | head -n 2)
expect "a job with a store of its own above compiles nothing" test "$(compiled "${block//\/tmp\/own/$WORK/own}")" = 0
hits_of_own() { cacheprogctl status --json --store "$WORK/own" | grep '"hits"' | grep -o '[0-9]*'; }
# The cache program notes them when the go command has ended.
for _ in {1..50}; do if [ "$(hits_of_own)" ]; then break; fi; sleep 0.1; done
expect "and has figures: $(hits_of_own) hits" test "$(hits_of_own)" -gt 20
expect "a program that is not there fails the go command, as the page has it" grep -q "$(grep -o 'error starting GOCACHEPROG program' "$ROOT_DIR/$page")" \
    <(GOCACHEPROG=cacheprog-missing GOCACHE=$WORK/gocache-missing go build ./... 2>&1 || true)
for command in status why; do
    expect "the page has $command --store" test "$(doc_block "$page" "cacheprogctl $command --store" | head -n 1)" = "$ cacheprogctl $command --store"
    cacheprogctl "$command" --store > "$WORK/$command"
done
# shellcheck disable=SC2016 # awk's own
expect "status has the go commands" awk '$1 == "build" && $2 == 2 { found = 1 } END { exit !found }' "$WORK/status"
expect "why has them, the latest first" test "$(grep -o 'build[[:space:]]*[0-9]*' "$WORK/why" | head -n 1 | grep -o '[0-9]*$')" = 0
doc_block "$page" 'cacheprogctl purge --older-than' > "$WORK/purge"
bash -e "$WORK/purge" > /dev/null
expect "the store is cleared" test -z "$(find "$HOME/.cache/nix-gocacheprog/objects" -type f)"

echo "=== the module proxy"
block=$(doc_block docs/how-to/module-proxy.md 'export GOPROXY')
eval "$block"
proxy=$!
for _ in {1..50}; do if (echo > /dev/tcp/127.0.0.1/9416) 2> /dev/null; then break; else sleep 0.1; fi; done
GOPROXY=${GOPROXY%%|*} go mod download -json golang.org/x/text@v0.14.0 > "$WORK/downloaded"
expect "a module comes by way of the proxy" grep -q '"Zip"' "$WORK/downloaded"
kill "$proxy"
wait "$proxy" || true
echo "summary: $commands commands of README and docs are right; those for a shell do what they say"
