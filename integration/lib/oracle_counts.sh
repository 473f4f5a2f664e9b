# Counts the packages that a build compiles after an edit, for the main modules of lib/real_modules.sh. Source it after
# lib/oracle.sh and lib/fake_builds.sh; a daemon runs.
# shellcheck shell=bash
set -euo pipefail

# The edits, in this order; each build has those before it too.
EDITS='unchanged readme template go header dependency'

# make_edit NAME EDIT: edits that main module. A comment at the end of a header or of C changes no code.
make_edit() {
    local main=$MODULES/$1/main file
    case $2 in
        unchanged) ;;
        readme) echo 'More text.' >> "$main/README.md" ;;
        template) echo '<p>More</p>' >> "$main/templates/page.html" ;;
        go) sed -i 's/Number = 1/Number = 2/' "$main/lib/lib.go" ;;
        header) echo '/* more */' >> "$main/native/own.h" ;;
        dependency)
            file=$(dependency_file "$1")
            if [ "$file" != - ]; then echo "/* more, for $1 */" >> "$main/vendor/$file"; fi ;;
    esac
}

# dependency_file NAME: the file of a vendored module that is edited: C or a header; `-` where the module has none.
dependency_file() {
    case $1 in
        sqlite | own) echo github.com/mattn/go-sqlite3/sqlite3ext.h ;;
        circl) echo github.com/cloudflare/circl/math/fp448/fp_amd64.h ;;
        zstd | syso) echo github.com/DataDog/zstd/zstd.h ;;
        glfw) echo github.com/go-gl/glfw/v3.3/glfw/glfw/include/GLFW/glfw3.h ;;
        purego) echo github.com/ebitengine/purego/internal/fakecgo/abi_amd64.h ;;
        gozstd) echo github.com/valyala/gozstd/zdict.h ;;
        *) echo - ;;
    esac
}

# vendor_module NAME: vendors what it imports, as in a Nix build. gojieba does not work so: it has C++ in folders without Go.
vendor_module() {
    [ "$1" != gojieba ] || return 0
    in_module "$1" env GOFLAGS=-mod=mod go mod vendor
    chmod -R u+w "$MODULES/$1/main/vendor"
}

# count_compiled NAME: builds that main module as a build of its own; sets COMPILED, how many packages were compiled, without
# Go's own. Their names are in MODULES/NAME/compiled. The build's directory is the main module's, where nothing else is written.
count_compiled() {
    local dir=$MODULES/$1 environment
    mapfile -t environment < <(real_environment "$1" "$dir")
    mkdir -p "$dir/build-tmp"
    cd "$dir/main"
    # shellcheck disable=SC2016 # for the shell inside
    fake_build "oracle-$1" bash -c 'exec env -i "$@" GOCACHE="$GOCACHE" GOCACHEPROG="$GOCACHEPROG" NIX_GOCACHEPROG_SOCKET="$NIX_GOCACHEPROG_SOCKET" \
        go build -v -o ../program .' bash "${ORACLE_ENVIRONMENT[@]}" ${environment[@]+"${environment[@]}"} NIX_BUILD_TOP="$dir/main" \
        TMPDIR="$dir/build-tmp" outputs=out out="/nix/store/$(printf '%032d' "$RANDOM")-oracle-$1" 2> "$dir/compiled" || { cat "$dir/compiled" >&2; return 1; }
    cd - > /dev/null
    COMPILED=$(grep -c '^[^/]*\.' "$dir/compiled" || true)
}

# count_edits NAME: sets COUNTS, the packages compiled after each of EDITS, after a first build.
count_edits() {
    local edit
    COUNTS=
    make_module "$1"
    vendor_module "$1" 2> "$MODULES/$1/vendor.log"
    count_compiled "$1"
    for edit in $EDITS; do
        make_edit "$1" "$edit"
        count_compiled "$1"
        COUNTS+="${COUNTS:+ }$COMPILED"
        cp "$MODULES/$1/compiled" "$MODULES/$1/compiled-$edit"
    done
}
