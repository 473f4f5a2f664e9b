# The real program of tests and demo: Caddy, a web server of almost 800 packages with its third-party modules and its own
# tests, fetched with Go's module mechanism (from GOPROXY, checked against go.sum and the checksum database), vendored.
# Source it; it sets `set -euo pipefail`. nix/caddy.nix builds it and lists the packages that are built and tested.
# The edit is made in PROGRAM_EDITED, which 27 packages of the program depend on, and changes what it exports: an install
# after it compiles packages that reverse_deps prints and no others (27 or all 28 of them: where a compiler's output comes
# out the same, Go stops there), and links the program.
# shellcheck shell=bash
set -euo pipefail

PROGRAM_MODULE=github.com/caddyserver/caddy/v2
# The last one whose go.mod asks for Go 1.24.
PROGRAM_VERSION=v2.10.0
PROGRAM_MAIN=cmd/caddy
PROGRAM_EDITED=modules/caddyhttp

# fetch_program DIR: the sources in DIR/src and the vendor tree in DIR/vendor; nothing to do when they are there.
# The modules go to the user's GOMODCACHE; set it to keep them apart.
fetch_program() {
    local dir=$1 from
    [ ! -e "$dir/complete" ] || return 0
    rm -rf "$dir/src" "$dir/vendor"
    mkdir -p "$dir"
    from=$(cd "$dir" && GOFLAGS=-mod=mod go mod download -json "$PROGRAM_MODULE@$PROGRAM_VERSION" |
        sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    if [ ! -d "$from" ]; then
        echo "program.sh: could not fetch $PROGRAM_MODULE@$PROGRAM_VERSION" >&2
        return 1
    fi
    # `set -e` does not apply here where the caller tests the status.
    cp -r "$from" "$dir/src" && chmod -R u+w "$dir/src" || return 1
    (cd "$dir/src" && GOFLAGS=-mod=mod GOWORK=off go mod vendor 2> "$dir/vendor.log") || {
        cat "$dir/vendor.log" >&2
        return 1
    }
    mv "$dir/src/vendor" "$dir/vendor" && touch "$dir/complete"
}

# edit_program DIR [TEXT]: in DIR/src, give PROGRAM_EDITED a function that returns TEXT (default: the time), replacing the
# one of an earlier edit. Two texts of the same length give files of the same size, which Nix gives the same mtime.
edit_program() {
    local file="$1/src/$PROGRAM_EDITED/ip_range.go" text=${2:-$(date +%s.%N)}
    sed -i '/^\/\/ Edited returns/,$d' "$file"
    printf '// Edited returns the text of the latest edit.\nfunc Edited() string { return "%s" }\n' "$text" >> "$file"
}

# reverse_deps DIR: the import paths, of the packages the program consists of, that depend on PROGRAM_EDITED or are it.
reverse_deps() {
    local copy status=0
    # Go finds a vendor tree only in the main module's directory, and the source must stay without one.
    copy=$(mktemp -d)
    cp -r "$1/src" "$copy/src"
    ln -s "$(realpath "$1/vendor")" "$copy/src/vendor"
    (cd "$copy/src" && CGO_ENABLED=0 GOFLAGS=-mod=vendor GOWORK=off \
        go list -deps -f '{{.ImportPath}}{{range .Deps}} {{.}}{{end}}' "./$PROGRAM_MAIN") |
        awk -v edited="$PROGRAM_MODULE/$PROGRAM_EDITED" '{ for (i = 1; i <= NF; i++) if ($i == edited) { print $1; next } }' ||
        status=$?
    rm -rf "$copy"
    return "$status"
}
