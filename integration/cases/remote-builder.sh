# Proves that the setting `unreadable` decides for builds from another machine, whose derivation is not sent along
# (docs/facts/nix.md, "Builds without a derivation"). The other machine is another store on this one, reached with Nix' own
# protocol through an `ssh` that does not leave this machine.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
# The local store is diverted as well: no derivation is at its path.
NIX_DIVERTED_STORE=$WORK/here
mkdir -p "$NIX_DIVERTED_STORE"
SDK=$(add_go_to_store)
ln -s "$BIN/prebuild-hook" "$WORK/remote"
PRE_BUILD_HOOK=$WORK/remote
settings() { printf '%s\n' "control = '$CONTROL'" "$@" > "$PRE_BUILD_HOOK.toml"; }
printf 'GOCACHEPROG=/gocache-client\n' > "$WORK/go-env"
mkdir -p "$WORK/ssh" "$WORK/elsewhere"
cat > "$WORK/ssh/ssh" << SSH
#!/bin/bash
export NIX_CONFIG="\$NIX_CONFIG
builders =
max-jobs = 1"
case "\$*" in
    *"echo started"*) echo started ;;
esac
exec nix-store --serve --write --store $WORK/elsewhere
SSH
chmod 755 "$WORK/ssh/ssh"
PATH=$WORK/ssh:$PATH
# remotely VERSION [NIX-ARG...]: builds the small program there.
remotely() {
    NIX_MAX_JOBS=0 NIX_EXTRA_CONFIG="builders = ssh://there $(nix-instantiate --eval -E builtins.currentSystem 2> /dev/null | tr -d '"')" small "$@" --arg extra '{ doCheck = false; }'
}
registered() { [ -n "$(build_field "small-$1" id)" ]; }

settings
for version in 1 2; do remotely "$version" > /dev/null; done
expect "it was built on the other machine" test -n "$(find "$WORK/elsewhere/nix/store" -maxdepth 1 -name '*-small-2')"
expect "the derivation was not sent there" test -z "$(find "$WORK/elsewhere/nix/store" -maxdepth 1 -name '*-small-2.drv')"
expect "a build with the setup hook hits" counts small-2 hits -gt 100
remotely unaware-1 --arg withHook false > /dev/null
expect "a build without it is offered the cache and does not use it" counts small-unaware-1 gets -eq 0
settings 'unreadable = "skip"'
remotely skipped > /dev/null
expect "with unreadable = skip it is offered nothing" refused registered skipped
settings 'mode = "transparent"' "go-env = '$WORK/go-env'" 'unreadable = "transparent"'
for version in 2 3; do remotely "unaware-$version" --arg withHook false > /dev/null; done
expect "with unreadable = transparent it uses the cache" counts small-unaware-3 hits -gt 100
chmod -R u+w "$WORK/elsewhere"
expect "its entries are for the user by whom it came" grep -q "small-2 .*registered: its entries are for user 0" "$WORK/daemon.log"
echo "summary: builds whose derivation is elsewhere: offered, skipped or transparent, as set"
