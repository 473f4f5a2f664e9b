# The corpus of integration/oracle: real# name | module | its packages that the main module imports. Whatwith C, C++, assembly, static libraries and so on, each used by a little main
# module of its own, fetched with Go's module mechanism. Source it after lib/tools.sh.
# shellcheck shell=bash
set -euo pipefail

# name | modules | packages that the main module imports, below that of the first module. What else it has, _files_NAME makes.
REAL_MODULES='
sqlite   | github.com/mattn/go-sqlite3@v1.14.46 | .
circl    | github.com/cloudflare/circl@v1.6.1 | dh/x448 dh/x25519 dh/csidh ecc/fourq ecc/p384 simd/keccakf1600
zstd     | github.com/DataDog/zstd@v1.5.7 | .
glfw     | github.com/go-gl/glfw/v3.3/glfw@v0.0.0-20260823155953-d41da22a9587 | .
compress | github.com/klauspost/compress@v1.18.0 | zstd s2 huff0 flate
blake3   | github.com/zeebo/blake3@v0.2.4 | .
sys      | golang.org/x/sys@v0.43.0 | unix cpu
purego   | github.com/ebitengine/purego@v0.9.0 | .
gozstd   | github.com/valyala/gozstd@v1.23.2 | .
gojieba  | github.com/yanyiwu/gojieba@v1.4.6 | .
seccomp  | github.com/seccomp/libseccomp-golang@v0.11.1 | .
syso     | github.com/DataDog/zstd@v1.5.7 | .
made     | github.com/seccomp/libseccomp-golang@v0.11.1 | .
own      | github.com/mattn/go-sqlite3@v1.14.46 | .
linked   | golang.org/x/sys@v0.43.0 | cpu
script   | github.com/zeebo/blake3@v0.2.4 | .
'

# real_modules: the names of the corpus.
real_modules() { awk -F'|' 'NF > 1 { gsub(/ /, "", $1); print $1 }' <<< "$REAL_MODULES"; }

# need_headers: installs the C libraries that modules of the corpus bind.
need_headers() {
    need_files /usr/include/X11/extensions/Xrandr.h=libxrandr-dev /usr/include/X11/extensions/Xinerama.h=libxinerama-dev \
        /usr/include/X11/Xcursor/Xcursor.h=libxcursor-dev /usr/include/X11/extensions/XInput.h=libxi-dev \
        /usr/include/X11/extensions/xf86vmode.h=libxxf86vm-dev /usr/include/GL/gl.h=libgl-dev /usr/include/seccomp.h=libseccomp-dev
}

# real_module NAME DIR: makes the main module in DIR/main, and next to it what it takes from outside of itself.
real_module() {
    local name=$1 dir=$2 module packages package
    IFS='|' read -r _ module packages <<< "$(grep "^$name " <<< "$REAL_MODULES")"
    mkdir -p "$dir/main"/{lib,templates,native}
    cd "$dir/main" || return 1
    module=${module// /}
    printf 'module example.test/%s\n\ngo 1.24\n\nrequire %s %s\n' "$name" "${module%@*}" "${module#*@}" > go.mod
    printf '# A program\n' > README.md
    printf '<p>A page</p>\n' > templates/page.html
    printf '// A header\n' > native/own.h
    printf '// Package lib is a package of the main module.\npackage lib\n\n// Number is edited.\nconst Number = 1\n' > lib/lib.go
    {
        printf 'package main\n\nimport (\n\t"example.test/%s/lib"\n' "$name"
        for package in $packages; do printf '\t_ "%s"\n' "${module%@*}/$package"; done | sed 's#/\."#"#'
        printf ')\n\nfunc main() { println(lib.Number) }\n'
    } > main.go
    if declare -F "_files_$name" > /dev/null; then "_files_$name" "$dir"; fi
    # Completes go.mod and go.sum; no build of ours has to.
    GOFLAGS=-mod=mod go list -deps ./... > /dev/null || return 1
}

# real_environment NAME DIR: prints the variables with which that main module is built.
real_environment() {
    case $1 in
        seccomp | made) echo "PKG_CONFIG_PATH=$2/main/third_party/pkgconfig" ;;
        script) echo "CC=$2/main/tools/cc" ;;
    esac
}

# A library in the tree that pkg-config finds: its .pc file, its headers and the library.
_files_seccomp() {
    mkdir -p third_party/{pkgconfig,include,lib}
    cp /usr/include/seccomp.h /usr/include/seccomp-syscalls.h third_party/include/
    cp -L "$(pkg-config --variable=libdir libseccomp)/libseccomp.a" third_party/lib/
    cat > third_party/pkgconfig/libseccomp.pc << PC
prefix=\${pcfiledir}/..
Name: libseccomp
Description: a copy of the library in the tree
Version: $(pkg-config --modversion libseccomp)
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -lseccomp
PC
}
# The same where a step of the build makes the header, after the source tree was unpacked.
_files_made() {
    _files_seccomp "$@"
    mv third_party/include/seccomp.h third_party/include/seccomp.h.in
    sed 's/@none@//' third_party/include/seccomp.h.in > third_party/include/seccomp.h
}
# A .syso file; beside it C with a header that is in no list of Go's.
_files_syso() {
    echo 'int blob_number(void) { return 7; }' > "$1/blob.c"
    echo 'int blob_number(void);' | _package blob blob.inc 'int(C.blob_number())'
    gcc -c -o blob/blob_linux_amd64.syso "$1/blob.c"
}
# C of the main module's own: a header of a sibling directory, a static library, a file with another ending.
_files_own() {
    mkdir headers libs
    printf '#pragma once\nint answer(void);\nint own_answer(void);\n' > headers/answer.h
    echo 'int answer(void) { return 41; }' > "$1/answer.c"
    gcc -c -o "$1/answer.o" "$1/answer.c"
    ar rcD libs/libanswer.a "$1/answer.o"
    # shellcheck disable=SC2016 # for cgo
    echo '#define TABLE 3' | _package clib table.def 'int(C.answer() + C.own_answer())' \
        '#cgo CFLAGS: -I${SRCDIR}/../headers' '#cgo LDFLAGS: ${SRCDIR}/../libs/libanswer.a' '#include "answer.h"'
    printf '#include "table.def"\n#include "answer.h"\nint own_answer(void) { return TABLE; }\n' > clib/clib.c
}
# A linked directory: a C library outside of the tree, as packages of nixpkgs link one into their sources.
_files_linked() {
    mkdir -p "$1/outside/include" third_party
    printf '#define DEPENDENCY 5\n' > "$1/outside/include/dependency.h"
    ln -s "$1/outside" third_party/dependency
    # shellcheck disable=SC2016 # for cgo
    echo '#include "dependency.h"' | _package clib clib.h 'int(C.DEPENDENCY)' '#cgo CFLAGS: -I${SRCDIR}/../third_party/dependency/include'
}
# A compiler that is a script of the tree, which reads a file of its own.
_files_script() {
    mkdir tools
    cat > tools/cc << 'CC'
#!/bin/sh
read -r flags < "$(dirname "$0")/flags"
exec gcc $flags "$@"
CC
    chmod 755 tools/cc
    echo '-DSCRIPT=9' > tools/flags
    echo 'static int script(void) { return SCRIPT; }' | _package clib clib.h 'int(C.script())'
}
# _package NAME HEADER EXPRESSION [LINE...] < HEADER-TEXT: makes a package with C, whose Number is the expression, and has the program
# import it. The lines stand above the include of the header.
_package() {
    local name=$1 header=$2 expression=$3 line
    shift 3
    mkdir -p "$name"
    cat > "$name/$header"
    {
        printf '// Package %s has C.\npackage %s\n\n' "$name" "$name"
        for line in "$@" "#include \"$header\""; do echo "// $line"; done
        printf 'import "C"\n\n// Number is what C has.\nfunc Number() int { return %s }\n' "$expression"
    } > "$name/$name.go"
    sed -i "s|^import (\$|&\n\t_ \"$(sed -n 's/^module //p' go.mod)/$name\"|" main.go
}
