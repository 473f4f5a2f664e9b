# Proves that variables, programs and flags which Go's keys leave out are seen, by kind: what C tools read from the environment,
# compilers and tools that are scripts, flags that bring in a file or a program, another toolchain at the same path, another
# GOCACHE. Each is changed between two builds, in explicit and transparent mode; an unchanged build compiles nothing.
# (Played sandboxes. Texts for builds and for C are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/played_sandbox.sh"
source "$CASE_DIR/lib/kinds.sh"
begin_kinds

# three_headers: v.h with another value in each of inc1, inc2 and inc3.
three_headers() { local n; for n in 1 2 3; do define "inc$n/v.h" "$n"; done; }

flag_toolexec_of_a_store_that_reads_the_version() {
    local tool=/nix/store/tttttttttttttttttttttttttttttttt-tool
    printf 'package a\n\nfunc V() int { return 7 }\n' > a/a.go
    script "$WORK/store-paths/${tool##*/}/bin/t.sh" 'arguments=' 'for argument in "$@"; do case $argument in' '*/a.go) sed s/7/$version/ "$argument" > /tmp/a.go; argument=/tmp/a.go ;;' 'esac; arguments="$arguments $argument"; done' 'exec $arguments'
    environment=("version=$1")
    run="go build -toolexec=$tool/bin/t.sh -o /out/program .; /out/program 2> /out/said"
}

### variables
variable_cgo_cppflags_set_by_buildphase() { c a '#include "../inc/v.h"'; define inc/v.h "$1"; before='export CGO_CPPFLAGS=-DX=1'; }
variable_cgo_enabled_set_by_buildphase() { c a '#include "../inc/v.h"'; define inc/v.h "$1"; environment=(CGO_ENABLED=0); before='export CGO_ENABLED=1'; }
variable_cgo_cflags_with_a_header() { c a ''; define inc/v.h "$1"; before='export CGO_CFLAGS="-include /build/source/inc/v.h"'; }
variable_cgo_cflags_with_a_temporary_directory() { c a '#include <v.h>'; before='mkdir /tmp/inc; echo "#define V $V" > /tmp/inc/v.h; export CGO_CFLAGS=-I/tmp/inc'; shared=no; }
variable_cgo_cflags_with_a_joined_file() { c a ''; before='echo "#define V $V" > /tmp/v.h; export CGO_CFLAGS=-include/tmp/v.h'; shared=no; }
variable_cgo_cflags_with_two_slashes() { c a '#include <v.h>'; before='mkdir /tmp/inc; echo "#define V $V" > /tmp/inc/v.h; export CGO_CFLAGS=-I//tmp/inc'; shared=no; }
variable_fc_with_a_temporary_directory() { c_file a ''; rm a/v.c; printf '#include <v.h>\nint getv(void) { return V; }\n' > a/v.f; before='mkdir /tmp/inc; echo "#define V $V" > /tmp/inc/v.h; export FC="gcc -xc -I/tmp/inc"'; shared=no; }
variable_cgo_cflags_of_go_env() { c a '#include <v.h>'; before='export GOENV=/build/goenv; mkdir ../outside; echo "#define V $V" > ../outside/v.h; go env -w CGO_CFLAGS=-I/build/outside'; shared=no; }
variable_pkg_config_of_go_env() { c a '#cgo pkg-config: v'; script pkg.sh "case \"\$*\" in *--cflags*) echo -DV=$1 ;; esac"; before='export GOENV=/build/goenv; mkdir ../tools; mv pkg.sh ../tools; go env -w PKG_CONFIG=/build/tools/pkg.sh'; shared=no; }
variable_cpath_of_the_tree() { c a '#include <v.h>'; define inc/v.h "$1"; before='export CPATH=/build/source/inc'; }
variable_cpath_beside_the_tree() { c a '#include <v.h>'; before='mkdir ../inc; echo "#define V $V" > ../inc/v.h; export C_INCLUDE_PATH=/build/inc'; }
variable_cpath_with_another_value() { c a '#include <v.h>'; three_headers; before="export CPATH=/build/source/inc$1"; }
variable_gcc_exec_prefix_or_compiler_path() { c a ''; compiler_proper "$1"; before='export COMPILER_PATH=/build/source/prefix'; }
# compiler_proper VALUE: a cc1 that defines V.
compiler_proper() { script prefix/cc1 "exec $(gcc -print-prog-name=cc1) -DV=$1 \"\$@\""; }
variable_cflags_with_a_search_path_for_programs() { c a ''; compiler_proper "$1"; before='export CGO_CFLAGS=-B/build/source/prefix/'; }
variable_cflags_with_specs() { c a ''; before='printf "*cpp:\n+ -DV=%s\n\n" $V > specs; export CGO_CFLAGS=-specs=/build/source/specs'; }
# wrapper: a compiler that adds NIX_CFLAGS_COMPILE, as that of nixpkgs.
wrapper='mkdir /build/bin; printf "#!/bin/sh\nexec /usr/bin/gcc \$NIX_CFLAGS_COMPILE \"\$@\"\n" > /build/bin/gcc; chmod +x /build/bin/gcc; export PATH=/build/bin:$PATH;'
variable_nix_cflags_of_the_wrapper() { c a ''; environment=("NIX_CFLAGS_COMPILE=-DV=$1"); before=$wrapper; }
# A vendored module whose C finds a header of the main one by a variable, or is compiled by a script of it.
vendored_c() {
    mkdir -p vendor/dep.test/dep
    printf 'module dep.test/dep\n\ngo 1.21\n' > vendor/dep.test/dep/go.mod
    printf '# dep.test/dep v1.0.0\n## explicit; go 1.21\ndep.test/dep/a\n' > vendor/modules.txt
    main_program dep.test/dep/a
    need dep.test/dep v1.0.0
    c vendor/dep.test/dep/a "$@"
}
variable_cpath_for_a_vendored_module() { vendored_c '#include <v.h>'; define inc/v.h "$1"; before='export CPATH=/build/source/inc'; }
variable_cflags_for_a_vendored_module() { vendored_c '#include <v.h>'; define inc/v.h "$1"; before='export CGO_CFLAGS="-I /build/source/inc"'; }
variable_pkg_config_for_a_vendored_module() { vendored_c '#cgo pkg-config: v'; mkdir pc; printf 'Name: v\nDescription: v\nVersion: 1\nCflags: -DV=%s\n' "$1" > pc/v.pc; before='export PKG_CONFIG_PATH=$PWD/pc'; }
program_cc_for_a_vendored_module() { vendored_c ''; script cc.sh 'exec gcc $(cat /build/source/flags) "$@"'; echo "-DV=$1" > flags; before='export CC=$PWD/cc.sh'; }
# Names that some derivations use for outputs: here each is a dependency.
variable_called_lib() { c a '#include <v.h>'; linked_dependency lib "$1"; }
variable_called_dev() { c a '#include <v.h>'; linked_dependency dev "$1"; }
variable_called_static() { c a '#include <v.h>'; linked_dependency static "$1"; }
linked_dependency() {
    local path=/nix/store/$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2$2-dependency
    define "$WORK/store-paths/${path##*/}/include/v.h" "$2"
    environment=("$1=$path" "NIX_CFLAGS_COMPILE=-I$path/include")
    before=$wrapper
}
variable_that_only_the_compiler_reads() { c a ''; script cc.sh 'exec gcc -DV=$COLOUR "$@"'; environment=("CC=/build/source/cc.sh" "COLOUR=$1"); }
# A program with a path of its own output has that of its own build.
variable_with_an_own_output() {
    c_returns 'strstr(STRING(DATADIR), getenv("out")) ? NUMBER : 0' a '#include <stdlib.h>' '#include <string.h>' '#define TEXT(x) #x' '#define STRING(x) TEXT(x)'
    before=$wrapper'export NIX_CFLAGS_COMPILE="-DNUMBER=$V -DDATADIR=$out/share"'
    shared=no
}

### programs
program_cc_of_the_tree() { c a ''; script cc.sh "exec gcc -DV=$1 \"\$@\""; before='export CC=/build/source/cc.sh'; }
program_cc_that_is_relative() { c a ''; script bin/mycc "exec gcc -DV=$1 \"\$@\""; before='export PATH=$PWD/bin:$PATH CC=mycc'; }
program_cc_by_path() { c a ''; script bin/gcc "exec /usr/bin/gcc -DV=$1 \"\$@\""; before='export PATH=$PWD/bin:$PATH'; }
program_cc_with_arguments() { c a ''; before='export CC="gcc -DV=$V"'; }
program_cc_that_reads_a_file() { c a ''; script cc.sh 'exec gcc -DV=$(cat /build/source/number) "$@"'; printf '%s' "$1" > number; before='export CC=/build/source/cc.sh'; }
program_cc_that_reads_a_go_file() { c a ''; script cc.sh 'exec gcc -DV=$(tail -c 2 /build/source/number/number.go) "$@"'; mkdir number; printf 'package number\n\nconst Number = %s\n' "$1" > number/number.go; before='export CC=/build/source/cc.sh'; }
program_cc_of_a_temporary_directory() { c a ''; script cc.sh "exec gcc -DV=$1 \"\$@\""; before='mv cc.sh /tmp/cc.sh; export CC=/tmp/cc.sh'; shared=no; }
program_cc_that_reads_the_version() { c a ''; script cc.sh 'exec gcc -DV=$version "$@"'; environment=("version=$1"); before='export CC=$PWD/cc.sh'; shared=no; }
program_cc_that_reads_a_home() { c a ''; script cc.sh '. $HOME/.ccrc; exec gcc -DV=$NUMBER "$@"'; before='export CC=$PWD/cc.sh HOME=/tmp/home; mkdir /tmp/home; echo NUMBER=$V > /tmp/home/.ccrc'; shared=no; }
program_cc_that_reads_the_attributes() { c a ''; script cc.sh '. $NIX_ATTRS_SH_FILE; exec gcc -DV=$NUMBER "$@"'; before='echo NUMBER=$V > ../.attrs.sh; export NIX_ATTRS_SH_FILE=/build/.attrs.sh CC=$PWD/cc.sh'; shared=no; }
program_cc_that_reads_the_variables_of_stdenv() { c a ''; script cc.sh '. $NIX_BUILD_TOP/env-vars; exec gcc -DV=$NUMBER "$@"'; before='echo NUMBER=$V > ../env-vars; export CC=$PWD/cc.sh'; shared=no; }
program_cc_that_reads_a_file_like_a_temporary_one() { c a ''; script cc.sh 'exec gcc -DV=$(cat /build/ccparams.txt) "$@"'; before='echo $V > ../ccparams.txt; export CC=$PWD/cc.sh'; }
program_cc_that_asks_git() { c a ''; script cc.sh 'exec gcc -DV=$(cd /build/source && head -c1 .git/HEAD) "$@"'; before='mkdir .git; echo $V > .git/HEAD; export CC=$PWD/cc.sh GOFLAGS="$GOFLAGS -buildvcs=false"'; }
cc_of_the_store=/nix/store/cccccccccccccccccccccccccccccccc-cc
program_cc_of_the_store_that_reads_the_version() { c a ''; script "$WORK/store-paths/${cc_of_the_store##*/}/bin/cc1" 'exec gcc -DV=$version "$@"'; environment=("version=$1" "CC=$cc_of_the_store/bin/cc1"); }
program_cc_of_the_store_that_reads_a_home() { c a ''; script "$WORK/store-paths/${cc_of_the_store##*/}/bin/cc2" '. $HOME/.ccrc; exec gcc -DV=$NUMBER "$@"'; environment=("CC=$cc_of_the_store/bin/cc2"); before='export HOME=/build/home; mkdir /build/home; echo NUMBER=$V > /build/home/.ccrc'; shared=no; }
program_by_path_that_reads_the_tree() { c a ''; script bin/gcc 'exec /usr/bin/gcc -DV=$(cat /build/other/number) "$@"'; before='mv bin /tmp/bin; export PATH=/tmp/bin:$PATH; mkdir ../other; echo $V > ../other/number'; shared=no; }
program_cc_that_execs_another() { c a ''; script real.sh "exec gcc -DV=$1 \"\$@\""; script cc.sh 'exec /build/other/real.sh "$@"'; before='mkdir /build/other; mv real.sh /build/other; export CC=/build/source/cc.sh'; }
program_as_by_path() {
    c_file a ''
    printf '.text\n.globl getv\ngetv:\n\tmov $VALUE, %%eax\n\tret\n.section .note.GNU-stack,"",@progbits\n' > a/v_amd64.S
    script bin/as "exec /usr/bin/as --defsym VALUE=$1 \"\$@\""
    before='export PATH=/build/source/bin:$PATH'
}
program_as_of_a_temporary_directory() {
    program_as_by_path "$1"
    before='mv bin /tmp/bin; export PATH=/tmp/bin:$PATH'
    shared=no
}
program_cc_that_looks_for_a_directory() { c a ''; script cc.sh 'v=1; if [ -d /build/source/two ]; then v=2; elif [ -d /build/source/three ]; then v=3; fi' 'exec gcc -DV=$v "$@"'; case $1 in 2) mkdir two ;; 3) mkdir three ;; *) mkdir one ;; esac; before='export CC=$PWD/cc.sh'; }
program_cc_that_runs_another_by_path() { c a ''; script cc.sh 'exec realgcc "$@"'; before='mkdir /tmp/bin; printf "#!/bin/sh\nexec gcc -DV=%s \"\$@\"\n" $V > /tmp/bin/realgcc; chmod +x /tmp/bin/realgcc; export PATH=/tmp/bin:$PATH CC=$PWD/cc.sh'; shared=no; }
program_cc_that_reads_the_module_cache() { c a '#include <v.h>'; script cc.sh 'exec gcc -I$GOMODCACHE/x "$@"'; before='export GOMODCACHE=/build/mod CC=$PWD/cc.sh; mkdir -p /build/mod/x; echo "#define V $V" > /build/mod/x/v.h'; shared=no; }
# Programs to which flags lead, and a variable that does not count otherwise.
program_of_a_flag_that_reads_the_version() { c a ''; script wrap.sh 'program=$1; shift; case $program in *cc1) exec $program "$@" -DV=$version ;; esac; exec $program "$@"'; environment=("version=$1"); before='export CGO_CFLAGS="-wrapper /build/source/wrap.sh"'; }
program_of_a_directory_that_reads_the_version() { c a ''; script prefix/cc1 "exec $(gcc -print-prog-name=cc1) -DV=\$version \"\$@\""; environment=("version=$1"); before='export CGO_CFLAGS=-B/build/source/prefix/'; }
program_pkg_config_requires_another() { c a '#cgo pkg-config: v' '#include <v.h>'; mkdir pc; printf 'Name: v\nDescription: v\nVersion: 1\nRequires: w\n' > pc/v.pc; before='mkdir ../pc /tmp/inc; printf "Name: w\nDescription: w\nVersion: 1\nCflags: -I/tmp/inc\n" > ../pc/w.pc; echo "#define V $V" > /tmp/inc/v.h; export PKG_CONFIG_PATH=/build/source/pc:/build/pc'; shared=no; }
program_pkg_config() { c a '#cgo pkg-config: v'; script pkg.sh "case \"\$*\" in *--cflags*) echo -DV=$1 ;; esac"; before='export PKG_CONFIG=/build/source/pkg.sh'; }
program_pkg_config_reads_a_file() { c a '#cgo pkg-config: v'; mkdir pc; printf 'Name: v\nDescription: v\nVersion: 1\nCflags: -DV=%s\n' "$1" > pc/v.pc; before='export PKG_CONFIG_PATH=/build/source/pc'; }
program_pkg_config_reads_a_made_file() { c a '#cgo pkg-config: v'; before='mkdir ../pc; printf "Name: v\nDescription: v\nVersion: 1\nCflags: -DV=%s\n" $V > ../pc/v.pc; export PKG_CONFIG_PATH=/build/pc'; }
program_cxx_of_the_tree() {
    c_file a ''
    rm a/v.c
    printf 'extern "C" int getv(void) { return V; }\n' > a/v.cc
    script cxx.sh "exec g++ -DV=$1 \"\$@\""
    before='export CXX=/build/source/cxx.sh'
}

### flags
go_file() { mkdir -p a; printf 'package a\n\n// V returns the number.\nfunc V() int { return 7 }\n' > a/a.go; }
# A tool that says nothing of itself: in a compile it replaces 7 by its number.
toolexec() {
    go_file
    script "$2" 'arguments=' 'for argument in "$@"; do case $argument in' "*/a.go) sed s/7/$1/ \"\$argument\" > /tmp/a.go; argument=/tmp/a.go ;;" 'esac; arguments="$arguments $argument"; done' 'exec $arguments'
}
flag_toolexec_of_the_tree() { toolexec "$1" tools/t.sh; run='go build -toolexec=/build/source/tools/t.sh -o /out/program .; /out/program 2> /out/said'; }
flag_toolexec_with_two_words() { toolexec "$1" tools/t.sh; run='go build -toolexec "/build/source/tools/t.sh" -o /out/program .; /out/program 2> /out/said'; }
flag_toolexec_with_two_dashes() { toolexec "$1" tools/t.sh; run='go build --toolexec="/usr/bin/env A=1 /build/source/tools/t.sh" -o /out/program .; /out/program 2> /out/said'; }
flag_toolexec_in_goflags() { toolexec "$1" tools/t.sh; before='export GOFLAGS="$GOFLAGS -toolexec=/build/source/tools/t.sh"'; }
flag_toolexec_of_a_makefile() { toolexec "$1" tools/t.sh; printf 'export GOFLAGS := -trimpath -toolexec=/build/source/tools/t.sh\nall:\n\tgo build -o /out/program .\n' > Makefile; run='make; /out/program 2> /out/said'; }
# (What is made in the tree less than a tick of the kernel's clock before the go command is shared with no build.)
flag_toolexec_of_a_go_env() { toolexec "$1" tools/t.sh; run='export GOENV=/build/goenv; cat $HOME/.config/go/env > $GOENV 2> /dev/null || true; unset GOFLAGS; go env -w GOFLAGS=-toolexec=/build/source/tools/t.sh; sleep 0.1; go build -trimpath -o /out/program .; /out/program 2> /out/said'; }
flag_toolexec_of_a_temporary_directory() { toolexec "$1" tools/t.sh; before='mv tools /tmp/tools'; run='go build -toolexec=/tmp/tools/t.sh -o /out/program .; /out/program 2> /out/said'; shared=no; }
flag_toolexec_that_asks_git() { toolexec "$1" tools/t.sh; sed -i 's|s/7/./|s/7/$(cat /build/source/.git/HEAD)/|' tools/t.sh; before='mkdir .git; echo $V > .git/HEAD'; run='go build -buildvcs=false -toolexec=/build/source/tools/t.sh -o /out/program .; /out/program 2> /out/said'; }
flag_toolexec_by_path() { toolexec "$1" tools/t.sh; before='export PATH=/build/source/tools:$PATH'; run='go build -toolexec=t.sh -o /out/program .; /out/program 2> /out/said'; shared=no; }
flag_toolexec_by_path_to_elsewhere() { toolexec "$1" tools/t.sh; before='mv tools /tmp/tools; export PATH=/tmp/tools:$PATH'; run='go build -toolexec=t.sh -o /out/program .; /out/program 2> /out/said'; shared=no; }
flag_toolexec_of_go_run() { toolexec "$1" tools/t.sh; run='go run -toolexec=/build/source/tools/t.sh . 2> /out/said'; }
flag_toolexec_of_another_go_command() { toolexec "$1" tools/t.sh; run='cp $(command -v go) /build/mygo; GOROOT=$(go env GOROOT) /build/mygo build -toolexec=/build/source/tools/t.sh -o /out/program .; /out/program 2> /out/said'; }
flag_overlay_of_a_go_file() { go_file; printf 'package a\n\n// V returns the number.\nfunc V() int { return %s }\n' "$1" > other.txt; echo '{"Replace":{"/build/source/a/a.go":"/build/source/other.txt"}}' > overlay.json; run='go build -overlay=overlay.json -o /out/program .; /out/program 2> /out/said'; }
flag_overlay_of_a_header() { c a '#include "v.h"'; define a/v.h 7; define other.txt "$1"; echo '{"Replace":{"/build/source/a/v.h":"/build/source/other.txt"}}' > overlay.json; run='go build -overlay=overlay.json -o /out/program .; /out/program 2> /out/said'; }
flag_gcflags_that_are_harmless() { c a '#include "../inc/v.h"'; define inc/v.h "$1"; run='go build -gcflags=all=-l=4 -o /out/program .; /out/program 2> /out/said'; }
flag_ldflags_are_of_the_link() { c a '#include "../inc/v.h"'; define inc/v.h "$1"; run='go build -ldflags="-s -w" -o /out/program .; /out/program 2> /out/said'; }

### toolchain, GOCACHE
# Another header of the toolchain, at the same path outside of /nix/store.
other_goroot='mkdir /build/go-root /build/upper /build/work; mount -t overlay overlay -o lowerdir=$(go env GOROOT),upperdir=/build/upper,workdir=/build/work /build/go-root; export PATH=/build/go-root/bin:$PATH;'
toolchain_with_another_header() { asm a '#include "v_of_go.h"'; before=$other_goroot'echo "#define V $V" > /build/go-root/pkg/include/v_of_go.h'; }
toolchain_with_another_compiler() {
    toolexec "$1" tools/compile.sh
    before=$other_goroot'tool=$(go env GOTOOLDIR); mv $tool/compile $tool/real; sed "s|exec .arguments|case \$1 in -V*) exec -a compile /build/go-root/pkg/tool/linux_amd64/real \"\$@\" ;; esac; exec /build/go-root/pkg/tool/linux_amd64/real \$arguments|; s|/bin/sh|/bin/bash|" tools/compile.sh > $tool/compile; chmod +x $tool/compile'
}
# A module's index is keyed by names, sizes and times; here the second go command finds other files of the same.
other_gocache='GOFLAGS="$GOFLAGS -mod=mod" GOCACHE=/build/first go build -o /build/first.out .; sed -i s/7/$V/ a/[a-z].go; touch -d @1 a/[a-z].go a; export GOFLAGS="$GOFLAGS -mod=mod"; '
gocache_of_a_second_command() { go_file; before=$other_gocache'export GOCACHE=/build/second'; }
gocache_whose_directory_is_made_again() { go_file; before=${other_gocache//build\/first/out\/gocache}'rm -rf /out/gocache; mkdir /out/gocache; export GOCACHE=/out/gocache'; }
gocache_with_another_constraint() {
    printf 'package a\n\nvar v = 7\n\n// V returns the number.\nfunc V() int { return v }\n' > a/a.go
    printf '//go:build never\n\npackage a\n\nfunc init() { v = %s }\n' "$1" > a/b.go
    before='export GOFLAGS="$GOFLAGS -mod=mod"; GOCACHE=/build/first go build -o /build/first.out .; sed -i s/never/linux/ a/b.go; touch -d @1 a/b.go a; export GOCACHE=/build/second'
}

# What compiles the standard library again, except one of each, and what differs little from another kind.
ONLY_FULL='^flag_(toolexec_(with|in|of_a|by|of_go|of_another|that)|gcflags|overlay_of_a_header)|^toolchain_with_another
    |^variable_(cgo_(cppflags|cflags_with_(a_joined|two))|pkg_config_of|cgo_cflags_of|fc_|cpath_(of|beside|for)|called_(dev|static)|cflags_with_specs|that_only|(pkg_config|cflags)_for)
    |^program_(cc_(by_path|with_arguments|that_is_relative|that_reads_(a_file$|a_home|the_version|the_attributes)|of_the_store_that_reads_a_home|of_a_temporary
    |that_(asks|execs|reads_a_file_like|reads_the_variables|runs))|by_path|of_a_directory|as_of|pkg_config_re)'
ONLY_FULL=${ONLY_FULL//[[:space:]]/}
mapfile -t kinds < <(kinds_of_file "$CASE_DIR/cases/condition-settings.sh")
try_kinds "${kinds[@]}"
# With a profile that a flag names, the build of the second content has to fail: it is no profile.
begin_kind profile
go_file
run='go build -gcflags=all=-pgoprofile=/build/source/prof.txt -o /out/program .'
if [[ profile =~ ${KINDS:-.} ]] && [ -z "${WITHOUT_CACHE:-}" ]; then
    printf 'GO PREPROFILE V1\n' > prof.txt
    expect "a flag that names a profile" built profile explicit 1
    printf 'no profile\n' > prof.txt
    if built profile explicit 2 2> /dev/null; then wrong "a profile that a flag names: its change is not seen"; fi
fi
end_kinds
echo "summary: $KIND_BUILDS builds with variables, programs and flags that are in no key: right in both modes"
