# Edits of the small program for generated histories, most of them of equal size: of its source, and of the settings with which it is
# built. Source it; reads RANDOM, CASE_DIR and TEST_FULL. (Texts for builds are not expanded.)
# A state is a directory with `source` and `settings`, the commands before its go commands.
# shellcheck shell=bash disable=SC2016
set -euo pipefail

# prepare DIR: a state of the small program, with more places for edits.
prepare() {
    local source=$1/source
    mkdir "$1"
    : > "$1/settings"
    cp -r "$CASE_DIR/programs/small" "$source"
    printf 'package word\n\nimport _ "sort"\n\nconst Number = 1\n' > "$source/word/edited.go"
    printf '//go:build never\n\npackage word\n\nconst Tagged = true\n' > "$source/word/tagged.go"
    printf '//go:build windows\n\npackage word\n' > "$source/word/word_windows.go"
    echo 'another text, that is embedded at times' > "$source/embedded/other.txt"
    _prepare_c "$source"
    _prepare_modules "$source"
}
# C and assembly that read what is in no key: other endings, linked directories, headers that a build makes, scripts.
_prepare_c() {
    sed -i 's|^// #include "clib.h"|// #cgo CFLAGS: -DSMALL_EXTRA=71 -I${SRCDIR}/../linked\n&|' "$1/clib/clib.go"
    sed -i 's|^int clib_system.*|#include "numbers.tpp"\n#include <linked.h>\n#if __has_include(<made.h>)\n#include <made.h>\n#else\n#define MADE 0\n#endif\n#ifndef SMALL_CC\n#define SMALL_CC 0\n#endif\n#ifndef SMALL_FLAG\n#define SMALL_FLAG 0\n#endif\nint clib_system(void) { return SMALL_SYSTEM + SMALL_EXTRA + 10 * NUMBER + 100 * LINKED + 1000 * MADE + 10000 * SMALL_CC + 100000 * SMALL_FLAG; }|' "$1/clib/clib.c"
    echo '#define NUMBER 1' > "$1/clib/numbers.tpp"
    mkdir "$1/inc" "$1/one" "$1/two" "$1/sums" "$1/tools"
    echo '#define LINKED 1' > "$1/one/linked.h"
    echo '#define LINKED 2' > "$1/two/linked.h"
    ln -s one "$1/linked"
    printf 'package sums\n\n// Sum returns a number of the assembly.\nfunc Sum() int\n' > "$1/sums/sums.go"
    printf '#include "textflag.h"\n#include "../inc/sum.inc"\n#include "_sum.h"\nTEXT ·Sum(SB),NOSPLIT,$0-8\n\tMOVQ $(FIRST+SECOND), ret+0(FP)\n\tRET\n' > "$1/sums/sums_amd64.s"
    echo '#define FIRST 1' > "$1/inc/sum.inc"
    echo '#define SECOND 20' > "$1/sums/_sum.h"
    printf '#!/bin/bash\nexec gcc "$@" -DSMALL_CC=1\n' > "$1/tools/cc.sh"
    printf '#!/bin/bash\narguments=()\nfor argument in "$@"; do\n    case $argument in */word/edited.go | ./edited.go) sed "s/Number = ./Number = 1/" "$argument" > /build/edited.go; argument=/build/edited.go ;; esac\n    arguments+=("$argument")\ndone\nexec "${arguments[@]}"\n' > "$1/tools/exec.sh"
    chmod 755 "$1"/tools/*.sh
}
# A replaced module with C and a program that uses all of it.
_prepare_modules() {
    mkdir -p "$1/nested/inc" "$1/nested/n"
    printf 'module example.test/nested\n\ngo 1.21\n' > "$1/nested/go.mod"
    printf 'package n\n\n/*\n#include "../inc/n.h"\nstatic int n(void) { return N; }\n*/\nimport "C"\n\n// N returns a number of C.\nfunc N() int { return int(C.n()) }\n' > "$1/nested/n/n.go"
    echo '#define N 1' > "$1/nested/inc/n.h"
    printf '\nrequire example.test/nested v1.0.0\n\nreplace example.test/nested => ./nested\n' >> "$1/go.mod"
    printf 'package main\n\nimport (\n\t"example.test/nested/n"\n\t"example.test/small/sums"\n\t"example.test/small/word"\n)\n\nfunc init() { println(n.N(), sums.Sum(), word.Number) }\n' > "$1/cmd/withc/more.go"
    printf 'package sums\n\nimport (\n\t"os"\n\t"os/exec"\n\t"testing"\n)\n\nfunc TestSum(t *testing.T) {\n\tif Sum()%%2 == 0 {\n\t\tt.Fatal(Sum())\n\t}\n}\n\nfunc TestTool(t *testing.T) {\n\tif text, err := exec.Command("../tools/cc.sh", "--version").Output(); err != nil || len(text) == 0 {\n\t\tt.Fatal(err)\n\t}\n\tif os.Getenv("lib") == "7" {\n\t\tt.Fatal("lib is 7")\n\t}\n}\n' > "$1/sums/sums_test.go"
}

# swap FILE A B: replaces A by B, or B by A.
swap() { if grep -q "$2" "$1"; then sed -i "s|$2|$3|" "$1"; else sed -i "s|$3|$2|" "$1"; fi; }
# toggle FILE CONTENT: makes a file, or removes it.
toggle() { if [ -e "$1" ]; then rm "$1"; else printf '%s\n' "$2" > "$1"; fi; }
# setting FILE NAME COMMAND: replaces that setting, or removes it where it is the same.
setting() {
    local line="$3 # $2"
    if grep -qxF "$line" "$1"; then sed -i "/ # $2\$/d" "$1"; else sed -i "/ # $2\$/d" "$1" && echo "$line" >> "$1"; fi
}

# edit DIR: makes one edit of a state.
edit() {
    local kinds=(go go data c c assembly module settings settings) digit=$((RANDOM % 10))
    [ -z "${TEST_FULL:-}" ] || kinds+=(costly)
    "_edit_${kinds[RANDOM % ${#kinds[@]}]}" "$1/source" "$1/settings" "$digit"
}
_edit_go() {
    case $((RANDOM % 8)) in
        0) sed -i "s/Number = ./Number = $3/" "$1/word/edited.go" ;;
        1) swap "$1/word/edited.go" '"sort"' '"path"' ;;
        2) swap "$1/word/tagged.go" 'build never' 'build linux' ;;
        3) swap "$1/golden/golden.go" '%-8s %d' '%-9s %d' ;;
        4) swap "$1/word/word.go" 'quick brown' 'brown quick' ;;
        5) toggle "$1/word/more.go" $'package word\n\nfunc init() { println("more") }' ;;
        6) toggle "$1/count/extra_test.go" $'package count\n\nimport "testing"\n\nfunc TestExtra(t *testing.T) { t.Fatal("extra") }' ;;
        7) swap "$1/word/word_windows.go" $'^package word$' $'package word //go:build linux' ;;
    esac
}
_edit_data() {
    case $((RANDOM % 3)) in
        0) swap "$1/embedded/embedded.go" 'embed title.txt' 'embed other.txt' ;;
        1) sed -i "s/^./$3/" "$1/embedded/title.txt" ;;
        2) swap "$1/golden/testdata/golden.txt" fox box ;;
    esac
}
_edit_c() {
    case $((RANDOM % 7)) in
        0) sed -i "s/SHARED_ANSWER .*/SHARED_ANSWER 4$3/" "$1/shared/answer.h" ;;
        1) sed -i "s/SMALL_EXTRA=7./SMALL_EXTRA=7$3/" "$1/clib/clib.go" ;;
        2) swap "$1/clib/clib.c" 'return SHARED_ANSWER;' 'return SHARED_ANSWER+0;' ;;
        3) echo "#define NUMBER $3" > "$1/clib/numbers.tpp" ;;
        4) if [ "$(readlink "$1/linked")" = one ]; then ln -sfn two "$1/linked"; else ln -sfn one "$1/linked"; fi ;;
        5) echo "#define LINKED $3" > "$1/two/linked.h" ;;
        6) sed -i "s/SMALL_CC=./SMALL_CC=$3/" "$1/tools/cc.sh" ;;
    esac
}
_edit_assembly() {
    case $((RANDOM % 2)) in
        0) echo "#define FIRST $3" > "$1/inc/sum.inc" ;;
        1) echo "#define SECOND 2$3" > "$1/sums/_sum.h" ;;
    esac
}
_edit_module() {
    case $((RANDOM % 3)) in
        0) echo "#define N $3" > "$1/nested/inc/n.h" ;;
        1) swap "$1/nested/n/n.go" 'return N;' 'return 2*N;' ;;
        2) toggle "$1/go.work" $'go 1.21\n\nuse (\n\t.\n\t./nested\n)' ;;
    esac
}
_edit_settings() {
    case $((RANDOM % 6)) in
        0) setting "$2" cc 'export CC=$PWD/tools/cc.sh' ;;
        1) setting "$2" made "echo '#define MADE $3' > shared/made.h; touch -d @1 shared/made.h; true" ;; # bash 5.2 replaces itself by a last command that is a program
        2) setting "$2" flag "export CGO_CFLAGS=-DSMALL_FLAG=$3" ;;
        3) setting "$2" variable "export lib=$3" ;;
        4) setting "$2" gocache "cp -r \$GOCACHE \$NIX_BUILD_TOP/other-$3 2> /dev/null || true; export GOCACHE=\$NIX_BUILD_TOP/other-$3" ;;
        5) setting "$2" cppflags 'export CGO_CPPFLAGS=-I$PWD/two' ;;
    esac
}
# What compiles the standard library again.
_edit_costly() {
    case $((RANDOM % 6)) in
        0) setting "$2" toolexec 'export GOFLAGS="$GOFLAGS -toolexec=$PWD/tools/exec.sh"' ;;
        1) setting "$2" race 'export GOFLAGS="$GOFLAGS -race"' ;;
        2) setting "$2" cover 'export GOFLAGS="$GOFLAGS -cover"' ;;
        3) setting "$2" level "export GOAMD64=v$(($3 % 2 + 1))" ;;
        4) setting "$2" experiment 'export GOEXPERIMENT=noregabiwrappers' ;;
        5) (cd "$1" && GOFLAGS=-mod=mod GOWORK=off go test -vet=off -count="1$3" -cpuprofile=cmd/small/default.pgo -o /dev/null ./render > /dev/null) ;;
    esac
}
