# Kinds of inputs that Go's keys leave out, one small program for each. Its package `a` has a function V; the program prints it.
# A case defines functions that write a tree where V returns their argument (1 to 9), and calls try_kinds: each is built with
# changed inputs in both modes, and has to print the new value.
# Source it after lib/played_sandbox.sh and lib/expect.sh.
# (Texts for builds are not expanded.)
# shellcheck shell=bash disable=SC2016,SC2034
set -euo pipefail

# begin_kind: forgets what the last kind set. A kind sets
#   before       commands before the go command, as in a buildPhase; V is the value
#   run          the commands that leave the value in /out/said
#   environment  further variables of the derivation, as NAME=VALUE
#   shared       `no` if its entries may be private: an unchanged build compiles again then
begin_kind() {
    before='' environment=() shared=yes
    run='go build -o /out/program .; /out/program 2> /out/said'
    rm -rf "$WORK/tree"
    mkdir -p "$WORK/tree/a"
    cd "$WORK/tree"
    # A module of its own for each kind: no kind has the keys of another.
    module=example.test/$1
    printf 'module %s\n\ngo 1.21\n' "$module" > go.mod
    main_program "$module/a"
}

# main_program IMPORT: the program prints V of that package.
main_program() { printf 'package main\n\nimport a "%s"\n\nfunc main() { println(a.V()) }\n' "$1" > main.go; }

# define FILE VALUE: a header that defines V.
define() {
    mkdir -p "$(dirname "$1")"
    printf '#define V %s\n' "$2" > "$1"
}

# asm DIR LINE...: a package whose V is in Go's assembly, in a file that begins with these lines and defines V by them.
asm() {
    local dir=$1
    shift
    mkdir -p "$dir"
    printf 'package a\n\n// V returns the number of the assembly.\nfunc V() int\n' > "$dir/a.go"
    { printf '%s\n' '#include "textflag.h"' "$@" && printf 'TEXT ·V(SB),NOSPLIT,$0-8\n\tMOVQ $V, ret+0(FP)\n\tRET\n'; } > "$dir/a_amd64.s"
}

# c DIR LINE...: a package whose V is that of a C preamble with these lines.
c() { c_returns V "$@"; }
# c_returns EXPRESSION DIR LINE...
c_returns() {
    local expression=$1 dir=$2
    shift 2
    mkdir -p "$dir"
    { printf 'package a\n\n/*\n' && printf '%s\n' "$@" "static int getv(void) { return $expression; }" && printf '*/\nimport "C"\n\n// V returns the number of C.\nfunc V() int { return int(C.getv()) }\n'; } > "$dir/a.go"
}

# c_file DIR LINE...: a package whose V is that of a C file with these lines.
c_file() {
    local dir=$1
    shift
    printf 'package a\n\n// extern int getv(void);\nimport "C"\n\n// V returns the number of C.\nfunc V() int { return int(C.getv()) }\n' > "$dir/a.go"
    printf '%s\n' "$@" > "$dir/v.c"
}

# script FILE LINE...: an executable shell script.
script() {
    local file=$1
    shift
    mkdir -p "$(dirname "$file")"
    printf '%s\n' '#!/bin/sh' "$@" > "$file"
    chmod 755 "$file"
}

# need VERSION-LINE: a dependency in go.mod.
need() { printf '\nrequire %s\n' "$*" >> go.mod; }

KIND_BUILDS=0
# built KIND MODE VALUE: builds the tree that is in WORK/tree; the name of the build is in BUILT. Between what it makes and the go command
# is more than a tick of the kernel's clock, within which a file may have changed again.
built() {
    KIND_BUILDS=$((KIND_BUILDS + 1))
    BUILT=b$KIND_BUILDS-$1 # before the name: 32 letters and a dash would be taken for the hash of a derivation
    SANDBOX_ENV=(${environment[@]+"${environment[@]}"})
    sandbox "$BUILT" "$2" "$WORK/tree" "V=$3
hook postConfigure; hook preBuild
$before
sleep 0.1
$run
hook postBuild" || { tail -n 20 "$WORK/out/$BUILT.log" >&2; return 1; }
}

# value KIND MODE VALUE: the kind with that value; the program has to print it.
value() {
    local seen
    begin_kind "$1"
    "$1" "$3"
    built "$1" "$2" "$3" || { wrong "$1, $2, $3: the build fails"; return 0; }
    seen=$(cat "$WORK/out/$BUILT/said")
    if [ "$seen" = "$3" ]; then echo "ok: $1, $2: $3"; else wrong "$1, $2: the program prints $seen, without a cache it prints $3"; fi
}
# again KIND MODE VALUE: the same; and a kind that is shared compiles nothing. A build on a busy machine may end before all of it is
# shared (client, sharing/worker.rs `FINISH`), or work without the daemon: then the next one has to compile nothing.
again() {
    local compiled
    value "$@"
    [ "$2" != none ] && [ "$shared" = yes ] || return 0
    compiled=$(build_field "$BUILT" packages_compiled)
    if [ "$compiled" != 0 ]; then
        echo "    $1, $2: an unchanged build compiled ${compiled:-unknown} packages; once more"
        value "$@"
        compiled=$(build_field "$BUILT" packages_compiled)
    fi
    [ "$compiled" = 0 ] || { wrong "$1, $2: an unchanged build compiles ${compiled:-unknown} packages again"; _why; }
}
# Why the last build missed, for the log of a case that fails.
_why() { "$BIN/cacheprogctl" why --control-socket "$CONTROL" "$BUILT" 2>&1 | tail -n 12 || true; }
WRONG=()
wrong() {
    echo "WRONG: $*"
    WRONG+=("$*")
}

# kinds_of_file FILE...: the kinds that the file defines: functions whose names have three words.
kinds_of_file() { sed -nE 's/^([a-z0-9]+_[a-z0-9_]+_[a-z0-9]+)\(\).*/\1/p' "$@"; }

# _is_tried KIND: those that match KINDS, if it is set (an extended regular expression); else, without --full, those that match ONLY_FULL are
# left out: what compiles the standard library again, and what differs little from another kind of its case.
_is_tried() {
    if [ -n "${KINDS:-}" ]; then [[ $1 =~ $KINDS ]]; else [ -n "${TEST_FULL:-}" ] || [ -z "${ONLY_FULL:-}" ] || ! [[ $1 =~ $ONLY_FULL ]]; fi
}

# try_kinds KIND...: builds each in both modes: first with the value 1, then with 2, then with 2 again; with --full also with 3, and
# with 1 again.
try_kinds() {
    local kind
    for kind in "$@"; do
        _is_tried "$kind" || continue
        if [ -n "${WITHOUT_CACHE:-}" ]; then # shows that the kinds themselves are right
            value "$kind" none 1
            value "$kind" none 2
            continue
        fi
        value "$kind" explicit 1
        value "$kind" transparent 2
        again "$kind" explicit 2
        if [ -n "${TEST_FULL:-}" ]; then
            value "$kind" explicit 3
            again "$kind" transparent 1
        fi
    done
}

# go_test KIND-LINES: a test in the root of the module, by the lines of its file after the package clause.
go_test() {
    rm -rf a main.go
    printf 'package m\n' > m.go
    { printf 'package m\n\n' && printf '%s\n' "$@"; } > m_test.go
    run='go test -vet=off .'
}

# verdict KIND MODE VALUE: a kind with go_test; it passes with the value 1 and fails with 2. With `expected=pass` it always passes.
verdict() {
    local seen=pass
    begin_kind "$1"
    expected=
    "$1" "$3"
    built "$1" "$2" "$3" 2> /dev/null || seen=fail
    [ -n "$expected" ] || { [ "$3" = 1 ] && expected=pass || expected=fail; }
    if [ "$seen" = "$expected" ]; then
        echo "ok: $1, $2, $3: $seen"
    else
        wrong "$1, $2, $3: $seen; without a cache: $expected"
        tail -n 3 "$WORK/out/$BUILT.log"
    fi
}

# try_tests KIND...: each in both modes; where results may be shared, an unchanged test is not run again.
try_tests() {
    local kind
    for kind in "$@"; do
        _is_tried "$kind" || continue
        if [ -n "${WITHOUT_CACHE:-}" ]; then
            verdict "$kind" none 1
            verdict "$kind" none 2
            continue
        fi
        verdict "$kind" explicit 1
        verdict "$kind" explicit 2
        [ -z "${TEST_FULL:-}" ] || verdict "$kind" transparent 2
        verdict "$kind" transparent 1
        [ "$shared" = no ] || grep -q '(cached)' "$WORK/out/$BUILT.log" || { wrong "$kind: an unchanged test runs again"; _why; }
    done
}

# begin_kinds: what all kinds need.
begin_kinds() {
    start_daemon
    prepare_sandboxes
    [ -z "${WITHOUT_CACHE:-}" ] || warm_gocache
}
# end_kinds: fails if any kind was wrong.
end_kinds() {
    end_sandboxes
    [ ${#WRONG[@]} = 0 ] || { printf '%s\n' "${#WRONG[@]} wrong:" "${WRONG[@]}" >&2; exit 1; }
    [ -z "${WITHOUT_CACHE:-}" ] || return 0
    expect "every object and record of the store is intact" store_is_whole
}

# warm_gocache: a GOCACHE with what the programs need of the standard library, for builds without a cache.
warm_gocache() {
    begin_kind warm
    c a '#define V 1'
    printf 'package a\n\nimport (\n\t_ "os/exec"\n\t_ "testing"\n)\n' > a/a_test.go
    run='go build -o /out/program .; go test ./a; go vet ./a; cp -r /build/go-cache /out/go-cache'
    built warm none 1
    mkdir "$WORK/warm"
    mv "$WORK/out/$BUILT/go-cache" "$WORK/warm/go-cache"
}
