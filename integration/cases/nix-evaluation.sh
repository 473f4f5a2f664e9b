# Proves by evaluation that the Nix code is right: both overlays and the module, with the lib of the nixpkgs stub, and with the
# real one where INTEGRATION_NIXPKGS or NIX_PATH has it. Wrong values fail with a helpful message; the hook reads the settings
# that the module writes; the units are those that `install` contains, and systemd accepts them.
# (Nix expressions are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
nixpkgs=${INTEGRATION_NIXPKGS:-$(nix-instantiate --find-file nixpkgs 2> /dev/null || true)}

# evaluate EXPRESSION: prints its value; errors are in WORK/err.
evaluate() { nix_run nix-instantiate --eval --strict --read-write-mode -E "$1" 2> "$WORK/err"; }

# assertions_hold EXPRESSION: its value is a set of named assertions, more than ten, and all are true.
assertions_hold() {
    local all
    all=$(evaluate "$1") || { cat "$WORK/err" >&2; return 1; }
    echo "    $(grep -o ' = ' <<< "$all" | wc -l) assertions"
    [ "$(grep -o ' = ' <<< "$all" | wc -l)" -gt 10 ] && ! grep -q 'false' <<< "$all"
}
expect "the assertions about overlays hold with the stub" assertions_hold "import $CASE_DIR/nix/overlays.nix {
    packages = overlay: import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; inherit overlay; }; }"
expect "they hold where buildGoModule is buildGo125Module" assertions_hold "import $CASE_DIR/nix/overlays.nix {
    packages = overlays: import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; overlay = [
        (final: prev: { go_1_25 = prev.go; buildGo125Module = prev.buildGoLatestModule; buildGoModule = final.buildGo125Module; })
    ] ++ overlays; }; }"
if [ -n "$nixpkgs" ]; then
    expect "the assertions about overlays hold with nixpkgs" assertions_hold "import $CASE_DIR/nix/overlays.nix {
        packages = overlays: import $nixpkgs { inherit overlays; }; functions = (import $nixpkgs { }).lib.versionAtLeast (import $nixpkgs { }).lib.version \"25.05\"; }"
fi

package="builtins.path { name = \"programs\"; path = $WORK/package; }"
mkdir -p "$WORK/package"
cp -r "$BIN" "$WORK/package/bin"
mkdir -p "$WORK/package/libexec/nix-gocacheprog"
mv "$WORK/package/bin"/{prebuild-hook,modproxy} "$WORK/package/libexec/nix-gocacheprog"
# module LIB CONFIGURATION SELECTION: prints a part of the evaluated module.
module() {
    evaluate "let m = import $CASE_DIR/nix/module.nix { $1 package = { type = \"derivation\"; outPath = $package; };
        configuration.services.nix-gocacheprog = { enable = true; } // ($2); }; in $3"
}
# rejects WHAT LIB CONFIGURATION MESSAGE: an assertion of the module or the evaluation fails with this message.
rejects() {
    local message
    message=$(module "$2" "$3" 'let of = m.config.services.nix-gocacheprog; in
        if m.failures == [ ] then builtins.deepSeq [ of.settings of.remote of.modproxy ] m.config.nix.settings else toString m.failures') || true
    expect "refused: $1" grep -qF "$4" <(printf '%s\n' "${message//\\/}"; cat "$WORK/err")
}
# refuses_value OPTION VALUE TEXT: its evaluation fails, and the message names the option and has the text.
refuses_value() {
    rejects "$1 = $2" "$lib" "{ $1 = $2; }" "services.nix-gocacheprog.$1"
    expect "the message says what to write" grep -qF "$3" "$WORK/err"
}
mkdir "$WORK/elsewhere"
cp -r "$ROOT_DIR"/{nixos,overlay,nix,Cargo.toml} "$WORK/elsewhere/"
libs=('')
if [ -n "$nixpkgs" ]; then libs+=("lib = import $nixpkgs/lib;"); fi
for lib in "${libs[@]}"; do
    is "no assertion fails with the defaults" '[ ]' "$(module "$lib" '{ }' m.failures)"
    is "the overlay is added by default" 1 "$(module "$lib" '{ }' 'builtins.length m.config.nixpkgs.overlays')"
    is "the overlay can be switched off" 0 "$(module "$lib" '{ overlay.enable = false; }' 'builtins.length m.config.nixpkgs.overlays')"
    rejects "an unknown mode" "$lib" '{ hook.mode = "all"; }' 'hook.mode'
    rejects "an unknown option" "$lib" '{ hook.modes = "opt-in"; }' 'services.nix-gocacheprog.hook.modes'
    rejects "a relative path in the chain" "$lib" '{ hook.chain = [ "hook" ]; }' 'hook.chain'
    expect "refused: a relative path of a layer" refused module "$lib" '{ layers = [ "layer" ]; }' m.config.services.nix-gocacheprog.layers
    expect "the message names the option" grep -qF 'services.nix-gocacheprog.layers' "$WORK/err"
    rejects "allow or deny without transparent mode" "$lib" '{ hook.deny = [ "x" ]; }' '`allow` and `deny` need `mode = "transparent"`'
    rejects "unreadable = transparent without transparent mode" "$lib" '{ hook.unreadable = "transparent"; }' 'needs `mode = "transparent"`'
    rejects "intercept without the overlay" "$lib" '{ overlay = { enable = false; intercept = true; }; }' '`intercept` needs `enable`'
    remote='settings.remote.url = "s3://bucket/go";'
    is "the daemon alone without a remote store" '[ "nix-gocacheprog" ]' "$(module "$lib" '{ }' 'builtins.attrNames m.config.systemd.services')"
    is "a unit with network for one" '[ "nix-gocacheprog" "nix-gocacheprog-remote" ]' "$(module "$lib" "{ $remote }" 'builtins.attrNames m.config.systemd.services')"
    is "which alone has the credentials" '[ false true ]' "$(module "$lib" "{ $remote remote.credentialsFile = \"/c\"; }" \
        'map (unit: unit.serviceConfig ? LoadCredential) (builtins.attrValues m.config.systemd.services)')"
    is "and the daemon alone the key" '[ true false ]' "$(module "$lib" "{ $remote remote.secretKeyFile = \"/k\"; }" \
        'map (unit: unit.serviceConfig ? LoadCredential) (builtins.attrValues m.config.systemd.services)')"
    is "the group that its socket has exists" '[ "nix-gocacheprog-remote-socket" ]' "$(module "$lib" "{ $remote }" 'builtins.attrNames m.config.users.groups')"
    is "the daemon has no network all the same" true "$(module "$lib" "{ $remote }" 'm.config.systemd.services.nix-gocacheprog.serviceConfig.PrivateNetwork')"
    refuses_value settings.max-size '"much"' 'size such as "20GiB"'
    refuses_value settings.max-size '"91%"' 'percentage of the disk such as "10%, at most 50GiB"'
    refuses_value settings.max-age 60 'time such as "60d" or "12h", or "none"'
    refuses_value settings.min-free '"none"' 'size such as "20GiB"'
    for http in 9417 127.0.0:1 localhost:65536; do
        refuses_value settings.http "\"$http\"" 'ADDRESS:PORT such as "localhost:9417", or absolute path of a socket'
    done
    refuses_value settings.trust.writers '[ "a b" ]' 'name or number of a user'
    refuses_value settings.trust.relays '[ 1000 ]' 'as a text, such as "alice" or "1000"'
    refuses_value settings.trust.witnesses 3 'one of'
    refuses_value settings.trust.shadow-seconds-per-hour '"60"' 'unsigned integer'
    refuses_value settings.layers '[ { type = "derivation"; outPath = "/nix/store/x"; } ]' 'packages go to services.nix-gocacheprog.layers'
    refuses_value settings.remote.url '"bucket/go"' 's3://BUCKET/PREFIX'
    refuses_value settings.remote.url '"http://cache.example/go"' 's3://BUCKET/PREFIX'
    refuses_value settings.remote '{ url = "s3://bucket/p"; endpoint = "https://h/p"; }' 'without a path'
    refuses_value settings.remote '{ url = "s3://bucket/p"; daily-bytes = "5%"; }' 'size such as "20GiB"'
    refuses_value settings.remote '{ url = "s3://bucket/p"; trusted-public-keys = [ "ci-1" ]; }' 'NAME:BASE64'
    refuses_value settings.remote '{ url = "s3://bucket/p"; write = "some"; }' 'list of string'
    refuses_value remote.credentialsFile '"credentials"' 'absolute path, as a text'
    refuses_value remote.secretKeyFile ./key 'into its store, where all users read it'
    refuses_value modproxy.listen '"0.0.0.0:9416"' 'address of this machine alone'
    refuses_value modproxy.upstream '"off"' 'begins with a server'
    rejects "a remote store without an address" "$lib" '{ settings.remote.profile = "ci"; }' 'settings.remote.url'
    for http in 127.0.0.1:9416 localhost:9416 0.0.0.0:9416 '[::]:9416'; do
        rejects "one port for two servers, $http" "$lib" "{ settings.http = \"$http\"; modproxy.enable = true; }" 'another port'
    done
    rejects "a writer that is a relay" "$lib" '{ settings.trust = { writers = [ "root" "ci" ]; relays = [ "ci" ]; }; }' 'ci cannot be in both'
    for value in 'max-size = "10%"' 'max-size = "1.5 GiB"' 'max-size = "none"' 'max-age = "1d 12h"' 'min-free = "5%, at most 10GiB"' \
        'http = "[::1]:9417"' 'http = "a-1.example:65535"' 'http = "/run/x.sock"' 'trust.writers = [ "*" "@wheel" "1000" ]' 'remote = { url = "https://h/go"; write = [ "caddy" ]; secret-key-file = "/k"; }'; do
        is "accepted: $value" '[ ]' "$(module "$lib" "{ settings = { $value; }; }" 'builtins.deepSeq m.config.services.nix-gocacheprog.settings m.failures')"
    done
    is "a key without an option passes" 1 "$(module "$lib" '{ settings.trust.later = 1; }' 'm.config.services.nix-gocacheprog.settings.trust.later')"
    is "the writers can be looked at" '[ "root" ]' "$(module "$lib" '{ }' 'm.config.services.nix-gocacheprog.settings.trust.writers')"
    is "of a flake's copy and a checkout's there is one" 1 "$(evaluate "builtins.length (import $CASE_DIR/nix/module.nix { $lib imports = [ $WORK/elsewhere/nixos/module.nix ];
        package = { type = \"derivation\"; outPath = $package; }; }).config.environment.systemPackages")"
    is "imported twice it is once, and names its file" "[ \"$ROOT_DIR/nixos/options.nix\" ]" \
        "$(module "$lib" '{ }' 'map toString m.options.services.nix-gocacheprog.enable.declarations')"
    alone=$(evaluate "let m = (import $CASE_DIR/nix/module.nix { $lib package = { type = \"derivation\"; outPath = $package; };
        configuration.services.nix-gocacheprog.modproxy = { enable = true; offline = true; maxSize = \"10%\"; }; }).config;
        service = m.systemd.services.nix-gocacheprog-modproxy.serviceConfig; in
        [ (builtins.attrNames m.systemd.services) m.nix.settings (builtins.length m.environment.systemPackages) service.IPAddressDeny (builtins.elem \"\\\"NIX_GOCACHEPROG_MAX_SIZE=10%%\\\"\" service.Environment) ]")
    is "the module proxy needs neither daemon nor hook, it brings the programs, and offline no network" \
        '[ [ "nix-gocacheprog-modproxy" ] { } 1 "any" true ]' "$alone"
    rejects "credentials without a remote store" "$lib" '{ remote.credentialsFile = "/c"; }' 'needs `settings.remote.url`'
    rejects "writing without a key" "$lib" '{ settings.remote = { url = "s3://bucket/p"; write = "all"; }; }' 'needs `remote.secretKeyFile`'
    # Another module sets a hook: an error with the fix; no error once that hook is in the chain.
    for setting in 'nix.settings.sandbox = false:no pre-build-hook' 'nix.enable = false:nix.enable = true' \
        'programs.nix-required-mounts.enable = true:hook.chain = ['; do
        message=$(evaluate "toString (import $CASE_DIR/nix/module.nix { $lib configuration = { services.nix-gocacheprog.enable = true; ${setting%%:*}; }; }).failures")
        expect "refused: ${setting%%:*}" grep -qF "${setting#*:}" <<< "$message"
    done
    chained=$(evaluate "(import $CASE_DIR/nix/module.nix { $lib configuration = { services.nix-gocacheprog = { enable = true; hook.chain = [ \"/x\" ]; };
        nix.settings.pre-build-hook = \"/x\"; programs.nix-required-mounts.enable = true; }; }).config.nix.settings.pre-build-hook")
    expect "with a chain our hook replaces the other one" grep -q 'gocacheprog-prebuild/hook"$' <<< "$chained"
done

# checks_of RUNS: how many of the files that the module makes are checked when they are made.
checks_of() {
    evaluate "let inherit (import $CASE_DIR/nix/module.nix { runs = $1; package = { type = \"derivation\"; outPath = $package; }; }) config;
        script = builtins.elemAt config.environment.etc.\"nix-gocacheprog.toml\".source.args 1;
        in builtins.length (builtins.filter builtins.isList (builtins.split \"/cacheprogctl check \" script))"
}
is "the daemon's settings are checked when they are made" 1 "$(checks_of true)"
is "and not where the programs are for another machine" 0 "$(checks_of false)"

# The files that the module makes are built, which checks them; then the hook reads them.
settings='{ hook = { mode = "transparent"; unreadable = "skip"; deny = [ "vault-*" ]; chain = [ "/bin/true" chained ]; }; }'
cat > "$WORK/hook.nix" << NIX
let
  package = { type = "derivation"; outPath = $package; };
  chained = $CASE_DIR/nix/verdicts.sh;
  configuration.services.nix-gocacheprog = { enable = true; } // $settings;
  inherit (import $CASE_DIR/nix/module.nix { inherit package configuration; }) config;
in derivation {
  name = "hook-path"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo \${config.nix.settings.pre-build-hook} > \$out; exit 0" ];
}
NIX
hook=$(cat "$(nixbuild "$WORK/hook.nix")")
expect "the settings are beside the hook" grep -qx 'mode = "transparent"' "$hook.toml"
expect "a hook that is a path is in the store, and stays there" \
    grep -qF "$(grep -o '/nix/store/[^"]*-verdicts.sh' "$hook.toml")" <(nix_run nix-store --query --references "${hook%/hook}")
expect "the hook accepts its settings" "$hook" --check "$hook.toml"
sed 's/transparent"/transparant"/' "$hook.toml" > "$WORK/wrong.toml"
if "$hook" --check "$WORK/wrong.toml" 2> "$WORK/err"; then fail "a wrong value is accepted"; fi
expect "the hook explains a wrong value" grep -q 'unknown variant' "$WORK/err"

# built_settings SETTINGS: builds the daemon's file of settings, which checks it; prints its path.
built_settings() {
    cat > "$WORK/settings.nix" << NIX
(import $CASE_DIR/nix/module.nix { package = { type = "derivation"; outPath = $package; };
  configuration = { services.nix-gocacheprog = { enable = true; settings = $1; layers = [ ${LAYERS:-} ]; }; nix.settings = { ${NIX_SETTINGS:-} }; }; }).config.environment.etc."nix-gocacheprog.toml".source
NIX
    nixbuild "$WORK/settings.nix" 2> "$WORK/err"
}
expect "the daemon's settings are written" grep -qx 'max-size = "20GiB"' "$(built_settings '{ max-size = "20GiB"; }')"
# writers SETTINGS [NIX-SETTINGS]: trust.writers in that file.
writers() {
    NIX_SETTINGS=${2:-} built_settings "$1" > "$WORK/built" || { cat "$WORK/err" >&2; return 1; }
    sed -nE 's/^trust = .*writers = (\[[^]]*\]).*/\1/p' "$(cat "$WORK/built")"
}
is "by default root writes for all" '["root"]' "$(writers '{ }')"
is "and whom Nix trusts" '["root","alice","@wheel","bob"]' "$(writers '{ max-size = "20GiB"; }' 'trusted-users = [ "root" "alice" "@wheel" ]; extra-trusted-users = "bob";')"
is "less the relays" '["root","@wheel"]' "$(writers '{ trust.relays = [ "hydra" ]; }' 'trusted-users = [ "hydra" "@wheel" ];')"
is "the settings decide where they name writers" '["alice"]' "$(writers '{ trust.writers = [ "alice" ]; }' 'trusted-users = [ "bob" ];')"
is "an empty list is none" '[]' "$(writers '{ trust.writers = [ ]; }')"
expect "layers are packages and paths, before those of the settings" \
    grep -qxE 'layers = \["/nix/store/[^"]*-programs","/srv/b","/srv/a"\]' "$(LAYERS="{ type = \"derivation\"; outPath = $package; } \"/srv/b\"" built_settings '{ layers = [ "/srv/a" ]; }')"
expect "without any there is no such setting" refused grep -q layers "$(built_settings '{ }')"
expect "a wrong key is refused when the system is built" refused built_settings '{ max-sise = "1GiB"; }'
expect "the message has its name" grep -q 'max-sise' "$WORK/err"

(cd "$ROOT_DIR" && NIX_CONFIG=$(nix_config) nixos/write-files "$WORK/units")
expect "the units of \`cacheprogctl install\` are made from the module's (else: nixos/write-files)" \
    diff -r "$WORK/units" "$ROOT_DIR/crates/cacheprogctl/units"
for unit in nix-gocacheprog.service nix-gocacheprog-remote.service nix-gocacheprog-remote.socket; do
    module '' "{ $remote remote = { credentialsFile = \"/etc/nix-gocacheprog/remote-credentials\"; secretKeyFile = \"/etc/nix-gocacheprog/remote-secret-key\"; }; }" \
        "builtins.toFile \"unit\" (builtins.unsafeDiscardStringContext m.units.\"$unit\")" > "$WORK/unit"
    expect "the module makes the same $unit" \
        diff <(sed 's|^ExecStart=.*/bin/|ExecStart=@programs@/|' "$(tr -d '"' < "$WORK/unit")") "$ROOT_DIR/crates/cacheprogctl/units/system/$unit"
done
module '' '{ modproxy = { enable = true; netrcFile = "/etc/nix-gocacheprog/modproxy-netrc"; }; }' \
    'builtins.toFile "unit" (builtins.unsafeDiscardStringContext m.units."nix-gocacheprog-modproxy.service")' > "$WORK/unit"
settings_lines='^(ExecStart|Environment|EnvironmentFile)='
expect "the module makes the same nix-gocacheprog-modproxy.service, besides its settings" \
    diff <(grep -vE "$settings_lines" "$(tr -d '"' < "$WORK/unit")") \
    <(grep -vE "$settings_lines" "$ROOT_DIR/crates/cacheprogctl/units/system/nix-gocacheprog-modproxy.service")
isolated() { module '' "$1" "builtins.length (builtins.filter (line: line == \"PrivateNetwork=true\") (builtins.filter builtins.isString (builtins.split \"\n\" m.units.\"nix-gocacheprog.service\")))"; }
is "the daemon has no network" 1 "$(isolated '{ settings.http = "/run/x.sock"; }')"
is "it has a network where it serves metrics at a port" 0 "$(isolated '{ settings.http = "127.0.0.1:9417"; }')"
line() { module '' "{ settings.http = \"$1\"; }" "builtins.length (builtins.split \"IPAddress$2\" m.units.\"nix-gocacheprog.service\") / 2"; }
is "only this machine's, with a loopback address" "1 1" "$(line 127.0.0.1:9417 Deny=any) $(line 127.0.0.1:9417 Allow=localhost)"
is "localhost is this machine" "1 1" "$(line localhost:9417 Deny=any) $(line localhost:9417 Allow=localhost)"
at_boot() { module '' "$1" 'toString (m.config.systemd.services.nix-gocacheprog.wantedBy or [ ])'; }
is "with metrics the daemon starts at boot" '"multi-user.target" ""' "$(at_boot '{ settings.http = "localhost:9417"; }') $(at_boot '{ }')"
is "all, with another address" "0 0" "$(line 0.0.0.0:9417 Deny=any) $(line 0.0.0.0:9417 Allow=localhost)"
if command -v systemd-analyze > /dev/null; then
    for of in system user; do
        mkdir "$WORK/verify-$of"
        for unit in "$WORK/units/$of/"*; do sed "s|@programs@|$BIN|" "$unit" > "$WORK/verify-$of/${unit##*/}"; done
        expect "systemd accepts the units ($of)" \
            test -z "$(XDG_RUNTIME_DIR=$WORK systemd-analyze "--$of" verify "$WORK/verify-$of/"* 2>&1 | tee "$WORK/message")"
    done
else
    echo "no systemd-analyze here: case booted-system verifies the units"
fi

source "$CASE_DIR/lib/nix_package.sh"

# A release's overlay, in its place beside the programs.
mkdir -p "$WORK/prefix/share/nix-gocacheprog" "$WORK/prefix/bin"
cp -r "$ROOT_DIR"/overlay{,.nix} "$WORK/prefix/share/nix-gocacheprog/"
cp "$BIN"/{cacheprog-client,cacheprogctl} "$WORK/prefix/bin/"
mkdir -p "$WORK/prefix/libexec/nix-gocacheprog"
ln -s ../../bin/cacheprog-client ../../bin/cacheprogctl "$WORK/prefix/libexec/nix-gocacheprog/"
echo "(import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; overlay = import $WORK/prefix/share/nix-gocacheprog/overlay.nix; }).nix-gocacheprog" > "$WORK/installed.nix"
expect "it has the installed programs, as files of the store" \
    cmp "$BIN/cacheprog-client" "$(nixbuild "$WORK/installed.nix" 2> "$WORK/err")/bin/cacheprog-client"

# A flake's own source is another directory in each store path; in a build it is the same one.
for n in 1 2; do
    mkdir -p "$WORK/${n}0123456789abcdfghijklmnpqrsvwxy-source"
    echo "package main // $n" > "$WORK/${n}0123456789abcdfghijklmnpqrsvwxy-source/main.go"
done
# directories OVERLAY BUILDER: the directories into which that builder's package unpacks both.
directories() {
    evaluate "let pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; overlay = $1; };
        of = src: builtins.substring 33 (-1) (baseNameOf (builtins.unsafeDiscardStringContext \"\${(pkgs.$2 { pname = \"p\"; version = \"1\"; inherit src; vendorHash = null; }).src}\"));
        in map of [ $WORK/10123456789abcdfghijklmnpqrsvwxy-source $WORK/20123456789abcdfghijklmnpqrsvwxy-source ]"
}
is "without the overlay two flakes' sources are two directories" \
    '[ "10123456789abcdfghijklmnpqrsvwxy-source" "20123456789abcdfghijklmnpqrsvwxy-source" ]' "$(directories null buildGoModule)"
for builder in buildGoModuleCached buildGoModuleLayered; do
    is "with $builder they are one" '[ "source" "source" ]' "$(directories "$ROOT_DIR/overlay/default.nix" "$builder")"
done
is "and with the intercepting overlay" '[ "source" "source" ]' "$(directories "$ROOT_DIR/overlay/intercept.nix" buildGoModule)"

# flake.nix, with the stub as its input.
flake=$(evaluate "let
  pkgs = import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; };
  outputs = (import $ROOT_DIR/flake.nix).outputs { self = $ROOT_DIR; nixpkgs = { inherit (pkgs) lib; legacyPackages = { }; }; };
in {
  names = builtins.attrNames outputs;
  systems = builtins.attrNames outputs.packages;
  functions = map builtins.isFunction [ outputs.overlays.default outputs.overlays.intercept ];
  modules = map toString (builtins.attrValues outputs.nixosModules);
  formatter = builtins.length (builtins.attrNames outputs.formatter);
}")
is "the outputs of the flake" "{ formatter = 4; functions = [ true true ]; modules = [ \"$ROOT_DIR/nixos/module.nix\" \"$ROOT_DIR/nixos/module.nix\" ]; \
names = [ \"apps\" \"checks\" \"devShells\" \"formatter\" \"nixosModules\" \"overlays\" \"packages\" \"templates\" ]; systems = [ \"aarch64-linux\" \"x86_64-linux\" ]; }" "$flake"
# of_template NAME EXPRESSION: its value, in which `program` is the package of that template.
of_template() {
    evaluate "let
      appendOverlays = overlay: import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; inherit overlay; };
      nixpkgs = { inherit (appendOverlays [ ]) lib; legacyPackages = { x86_64-linux = { inherit appendOverlays; }; }; };
      flake = (import $ROOT_DIR/flake.nix).outputs { self = $ROOT_DIR; inherit nixpkgs; };
      program = ((import (flake.templates.$1.path + \"/flake.nix\")).outputs { self = $ROOT_DIR; inherit nixpkgs; nix-gocacheprog = flake; }).packages.x86_64-linux.default;
    in $2"
}
expect "the template's program uses the cache" grep -q '"nix-gocacheprog-hook"' \
    <<< "$(of_template default 'map (input: input.name or "") program.nativeBuildInputs')"
is "that of the template without a daemon has layers" '[ "hello-go-layer" "go-std-layer" ]' \
    "$(of_template layered '[ program.goCache.name program.goCacheStd.name ]')"
# refuses_layers ARGUMENTS TEXT: a package with these arguments has no layers, and the message has the text.
refuses_layers() {
    expect "refused: $1" refused evaluate "((import $CASE_DIR/nixpkgs_stub { gosdk = \"$SDK\"; overlay = import $ROOT_DIR/overlay/default.nix; }).buildGoModuleLayered ({
        pname = \"p\"; version = \"1\"; src = $CASE_DIR/programs/layered; vendorHash = null; } // { $1 })).goCache.name"
    expect "the message says what to write" grep -qF "$2" "$WORK/err"
}
refuses_layers 'passthru.layersource = ./.;' 'layersource` is unknown. Layers read layerPackages, layerSource, layerSourceDirectory'
refuses_layers 'passthru.layerSource = "v1.0";' 'has to be an earlier source'
refuses_layers 'passthru.layerPackages = [ "./..." ];' 'no effect without `proxyVendor = true`'
for file in default.nix overlay.nix module.nix nix nixos overlay integration/nix integration/nixpkgs_stub; do
    find "$ROOT_DIR/$file" -name '*.nix' -print0 | xargs -0 -n 1 nix-instantiate --parse > /dev/null 2> "$WORK/err" || { cat "$WORK/err" >&2; fail "$file"; }
done
