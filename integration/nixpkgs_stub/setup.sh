# The stub's generic builder, sourced by builder.sh as $stdenv/setup: hooks, inputs, environment and phases in the
# order and with the names of nixpkgs' stdenv, as far as a Go package and a setup hook can tell the difference.
# Behaviour taken from there, on purpose: an unpacked directory keeps its mtimes (so 1, from the store); a hook is first
# the function or variable of that name, then the entries of the array <name>Hooks; setup hooks are sourced before PATH
# has their inputs' bin directories; unset variables are no error. Left out: make and configure support, stripping,
# patching of scripts, outputs other than `out`, substitute*.
# shellcheck shell=bash source=/dev/null
# The attributes of the derivation arrive as variables, lists of them unquoted and split at spaces:
# shellcheck disable=SC2154,SC2086,SC2048,SC2034,SC2178,SC2123
set -eo pipefail
shopt -s inherit_errexit nullglob

if [ -e .attrs.sh ] || [ -n "${NIX_ATTRS_SH_FILE:-}" ]; then
    __structuredAttrs=1
    : "${NIX_ATTRS_SH_FILE:=$NIX_BUILD_TOP/.attrs.sh}" "${NIX_ATTRS_JSON_FILE:=$NIX_BUILD_TOP/.attrs.json}"
    export NIX_ATTRS_SH_FILE NIX_ATTRS_JSON_FILE
    for output in "${!outputs[@]}"; do export "$output=${outputs[$output]}"; done
    for name in "${!env[@]}"; do export "$name=${env[$name]}"; done
    unset output name
else
    __structuredAttrs=
fi

# --- Hooks ---

# _runOne HOOK ARG...: a hook given as a function's name gets the arguments, any other is evaluated.
_runOne() {
    if declare -F "$1" > /dev/null; then "$@"; else eval "$1"; fi
}

# _implicitHook DEFAULT-STATUS NAME: the function NAME, the program NAME (sourced), or the text in the variable NAME.
_implicitHook() {
    if declare -F "$2" > /dev/null; then
        "$2"
    elif type -p "$2" > /dev/null; then
        source "$2"
    elif [ -n "${!2:-}" ]; then
        eval "${!2}"
    else
        return "$1"
    fi
}

runHook() {
    local hookName=$1 hookArray="${1%Hook}Hooks[@]" hook
    shift
    for hook in "_implicitHook 0 $hookName" "${!hookArray}"; do _runOne "$hook" "$@"; done
}

runOneHook() {
    local hookName=$1 hookArray="${1%Hook}Hooks[@]" hook
    shift
    for hook in "_implicitHook 1 $hookName" "${!hookArray}"; do
        if _runOne "$hook" "$@"; then return 0; fi
    done
    return 1
}

exitHandler() {
    exitCode=$?
    set +e
    if [ "$exitCode" != 0 ]; then runHook failureHook; else runHook exitHook; fi
    return "$exitCode"
}
trap exitHandler EXIT

# --- Variables that are strings or arrays ---

appendToVar() {
    local -n _var=$1
    shift
    if [[ -n $__structuredAttrs || $(declare -p "${!_var}" 2> /dev/null) == "declare -a"* ]]; then
        _var+=("$@")
    else
        _var="${_var-} $*"
    fi
}

prependToVar() {
    local -n _var=$1
    shift
    if [[ -n $__structuredAttrs || $(declare -p "${!_var}" 2> /dev/null) == "declare -a"* ]]; then
        _var=("$@" "${_var[@]}")
    else
        _var="$* ${_var-}"
    fi
}

# concatStringsSep SEPARATOR NAME: the words of the variable NAME, joined.
concatStringsSep() {
    local -n _words=$2
    local IFS=" " joined
    printf -v joined "%s$1" ${_words[*]}
    printf %s "${joined%"$1"}"
}

addToSearchPath() {
    local -n _path=$1
    if [[ -d $2 && ":${_path-}:" != *":$2:"* ]]; then
        export "$1=${_path:+$_path:}$2"
    fi
}

# --- Inputs ---

# addEnvHooks OFFSET FUNCTION...: functions to call with each input; inputs of all kinds are treated alike here.
envHooks=()
addEnvHooks() {
    shift
    envHooks+=("$@")
}

# _findInputs KIND PACKAGE: append the package to the array inputs_KIND, then those it propagates.
_findInputs() {
    local -n _found="inputs_$1"
    local file next
    [[ " ${_found[*]} " == *" $2 "* ]] && return 0
    [ -e "$2" ] || { echo "build input $2 does not exist" >&2; exit 1; }
    _found+=("$2")
    for file in "$2"/nix-support/propagated-{native-build-inputs,build-inputs}; do
        [ -e "$file" ] || continue
        for next in $(< "$file"); do _findInputs "$1" "$next"; done
    done
}

_activate() {
    local package=$1
    if [ -f "$package" ]; then source "$package"; fi
    addToSearchPath _PATH "$package/bin"
    addToSearchPath _XDG_DATA_DIRS "$package/share"
    if [ -f "$package/nix-support/setup-hook" ]; then source "$package/nix-support/setup-hook"; fi
}

recordPropagatedDependencies() {
    local kind variable
    for kind in native-build-inputs:propagatedNativeBuildInputs build-inputs:propagatedBuildInputs; do
        variable="${kind#*:}[*]"
        [ -n "${!variable}" ] || continue
        mkdir -p "$out/nix-support"
        printf '%s ' ${!variable} > "$out/nix-support/propagated-${kind%:*}"
    done
}

# --- Environment ---

export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-315532800}" TZ=UTC
PATH="" HOST_PATH=""
for i in $initialPath; do
    [ "$i" = / ] && i=
    addToSearchPath PATH "$i/bin"
    [ -n "${strictDeps-}" ] || addToSearchPath HOST_PATH "$i/bin"
done
unset i
BASH=$SHELL
export CONFIG_SHELL="$SHELL" shell="${shell:-$SHELL}"

inputs_native=() inputs_host=()
for pkg in ${nativeBuildInputs[*]} ${propagatedNativeBuildInputs[*]} $defaultNativeBuildInputs; do
    _findInputs native "$pkg"
done
for pkg in ${buildInputs[*]} ${propagatedBuildInputs[*]} $defaultBuildInputs; do _findInputs host "$pkg"; done
hostOffset=-1
for pkg in "${inputs_native[@]}"; do _activate "$pkg"; done
hostOffset=0
for pkg in "${inputs_host[@]}"; do _activate "$pkg"; done
for pkg in "${inputs_native[@]}" "${inputs_host[@]}"; do
    for hook in "${envHooks[@]}"; do "$hook" "$pkg"; done
done
unset pkg hook hostOffset

export NIX_LDFLAGS="-rpath $out/lib ${NIX_LDFLAGS-}"
prefix="${prefix:-$out}"
PATH="${_PATH-}${_PATH:+:}$PATH"
export PATH XDG_DATA_DIRS="${_XDG_DATA_DIRS-}"
unset _PATH _XDG_DATA_DIRS

export NIX_BUILD_CORES="${NIX_BUILD_CORES:-1}"
[ "$NIX_BUILD_CORES" -gt 0 ] || NIX_BUILD_CORES=$(nproc)
# TLS certificates of the machine must not be used by accident; a fixed-output derivation sets these itself.
: "${NIX_SSL_CERT_FILE:=/no-cert-file.crt}" "${SSL_CERT_FILE:=/no-cert-file.crt}"
export NIX_SSL_CERT_FILE SSL_CERT_FILE

# --- Phases ---

# The name without directory and store hash: the directory a source is unpacked to.
stripHash() {
    local name=${1##*/}
    if [[ $name =~ ^[a-z0-9]{32}- ]]; then echo "${name:33}"; else echo "$name"; fi
}

unpackCmdHooks+=(_defaultUnpack)
_defaultUnpack() {
    if [ -d "$1" ]; then
        cp -r --preserve=timestamps --reflink=auto -- "$1" "$(stripHash "$1")"
    else
        case $1 in
            *.tar | *.tar.* | *.tgz) tar xf "$1" --mode=+w --warning=no-timestamp ;;
            *) return 1 ;;
        esac
    fi
}

unpackPhase() {
    local before item
    runHook preUnpack
    before=" $(printf '%s ' */)"
    for curSrc in ${srcs[*]:-$src}; do
        echo "unpacking source archive $curSrc"
        runOneHook unpackCmd "$curSrc" || { echo "do not know how to unpack source archive $curSrc"; exit 1; }
    done
    if [ -z "${sourceRoot:-}" ]; then
        for item in */; do
            [[ $before == *" $item "* ]] && continue
            [ -z "${sourceRoot:-}" ] || { echo "unpacker produced multiple directories"; exit 1; }
            sourceRoot=${item%/}
        done
    fi
    [ -n "${sourceRoot:-}" ] || { echo "unpacker appears to have produced no directories"; exit 1; }
    echo "source root is $sourceRoot"
    [ -n "${dontMakeSourcesWritable:-}" ] || chmod -R u+w -- "$sourceRoot"
    runHook postUnpack
}

patchPhase() {
    local patchFile
    runHook prePatch
    for patchFile in ${patches[*]}; do
        echo "applying patch $patchFile"
        patch ${patchFlags[*]:--p1} < "$patchFile"
    done
    runHook postPatch
}

# What a package without phases of its own gets: hooks only, for the stub knows no make.
configurePhase() { runHook preConfigure; runHook postConfigure; }
buildPhase() { runHook preBuild; runHook postBuild; }
checkPhase() { runHook preCheck; runHook postCheck; }
installPhase() { runHook preInstall; runHook postInstall; }
installCheckPhase() { runHook preInstallCheck; runHook postInstallCheck; }

fixupPhase() {
    if [ -e "$out" ]; then chmod -R u+w,u-s,g-s "$out"; fi
    runHook preFixup
    prefix=$out runHook fixupOutput
    recordPropagatedDependencies
    if [ -n "${setupHook:-}" ]; then
        mkdir -p "$out/nix-support"
        cp "$setupHook" "$out/nix-support/setup-hook"
    fi
    runHook postFixup
}

# _skipped PHASE: whether an attribute of the derivation switches the phase off.
_skipped() {
    local off
    case $1 in
        checkPhase) [ -z "${doCheck:-}" ] ;;
        installCheckPhase) [ -z "${doInstallCheck:-}" ] ;;
        *)
            off="dont${1^}"
            off=${off%Phase}
            [ -n "${!off:-}" ] ;;
    esac
}

runPhase() {
    local curPhase=$1 started
    _skipped "$curPhase" && return 0
    if [ -n "${NIX_LOG_FD:-}" ]; then
        echo "@nix { \"action\": \"setPhase\", \"phase\": \"$curPhase\" }" >&"$NIX_LOG_FD"
    fi
    echo "Running phase: $curPhase"
    export > "$NIX_BUILD_TOP/env-vars" || true
    started=$(date +%s)
    eval "${!curPhase:-$curPhase}"
    started=$(($(date +%s) - started))
    if [ "$started" -ge 30 ]; then echo "$curPhase completed in $started seconds"; fi
    if [ "$curPhase" = unpackPhase ]; then cd "${sourceRoot:-.}"; fi
}

genericBuild() {
    export GZIP_NO_TIMESTAMPS=1
    if [ -n "${buildCommand:-}" ]; then
        eval "$buildCommand"
        return
    fi
    if [ -z "${phases[*]:-}" ]; then
        phases="${prePhases[*]:-} unpackPhase patchPhase ${preConfigurePhases[*]:-} configurePhase \
            ${preBuildPhases[*]:-} buildPhase checkPhase ${preInstallPhases[*]:-} installPhase \
            ${preFixupPhases[*]:-} fixupPhase installCheckPhase ${postPhases[*]:-}"
    fi
    local curPhase
    for curPhase in ${phases[*]}; do runPhase "$curPhase"; done
}

runHook postHook
