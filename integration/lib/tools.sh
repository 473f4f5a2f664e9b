# Programs that a run needs, installed from Debian's packages where the machine lacks them. Source it.
# shellcheck shell=bash
set -euo pipefail

# need_tools PROGRAM=PACKAGE...: installs the packages of missing programs; status 1 where that is not possible.
need_tools() {
    local tool missing=()
    for tool in "$@"; do
        command -v "${tool%%=*}" > /dev/null || missing+=("${tool#*=}")
    done
    _install "${missing[@]}"
}

# need_files FILE=PACKAGE...: the same for files, such as headers of C libraries.
need_files() {
    local file missing=()
    for file in "$@"; do
        [ -e "${file%%=*}" ] || missing+=("${file#*=}")
    done
    _install "${missing[@]}"
}

# _install [PACKAGE...]. One run installs at a time: apt itself does not wait for the lock of its lists.
_install() {
    [ $# -gt 0 ] || return 0
    if ! command -v apt-get > /dev/null; then
        echo "tools.sh: missing here, and no apt-get to install them with: $*" >&2
        return 1
    fi
    (
        exec 9< /var/lib/dpkg
        flock 9
        apt-get update -qq 9<&-
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" 9<&-
    ) > /dev/null || { echo "tools.sh: could not install $*" >&2; return 1; }
}
