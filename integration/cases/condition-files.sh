# Proves that files which Go's keys leave out are seen, by kind: assembly and C that include what lies elsewhere in the module, has
# another ending, is linked into the tree, is made by the build, belongs to a dependency or lies outside of the module. Each is
# changed between two builds, in explicit and transparent mode; an unchanged build compiles nothing. (Played sandboxes.)
# (Texts for builds and for C are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1003,SC2016,SC2034,SC2154
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/played_sandbox.sh"
source "$CASE_DIR/lib/kinds.sh"
(cd "$CASE_DIR/programs/fileproxy" && GOFLAGS='' GOCACHEPROG='' go build -o "$WORK/fileproxy" .)
begin_kinds

### Go's assembly
asm_includes_a_sibling_directory() { asm a '#include "../inc/v.h"'; define inc/v.h "$1"; }
asm_includes_another_ending() { asm a '#include "v.inc"'; define a/v.inc "$1"; }
asm_includes_a_header_for_another_system() { asm a '#include "v_windows.h"'; define a/v_windows.h "$1"; }
asm_includes_a_header_that_go_ignores() { asm a '#include "_v.h"'; define a/_v.h "$1"; }
asm_includes_a_directory_below() { asm a '#include "sub/v.h"'; define a/sub/v.h "$1"; }
asm_includes_by_a_header_of_the_key() {
    asm a '#include "v.h"'
    printf '#include "../inc/v.h"\n' > a/v.h
    define inc/v.h "$1"
}
asm_includes_a_linked_file() {
    asm a '#include "linked.h"'
    define inc/v.h "$1"
    ln -s ../inc/v.h a/linked.h
}
asm_includes_by_search_path() {
    asm a '#include "v.h"'
    define inc/v.h "$1"
    run='go build -asmflags=all=-I=/build/source/inc -o /out/program .; /out/program 2> /out/said'
}
asm_in_goflags() {
    asm a '#include "v.h"'
    define inc/v.h "$1"
    before='export GOFLAGS="$GOFLAGS -asmflags=all=-I=/build/source/inc"'
}
asm_in_another_directory() {
    asm a '#include "../inc/v.h"'
    define inc/v.h "$1"
    run='cd / && go build -C /build/source -o /out/program .; /out/program 2> /out/said'
}

### C: which file is included
c_includes_a_sibling_directory() { c a '#include "../inc/v.h"'; define inc/v.h "$1"; }
c_includes_another_ending() { c a '#include "v.tpp"'; define a/v.tpp "$1"; }
cpp_includes_another_ending() {
    c_file a ''
    rm a/v.c
    printf '#include "v.ipp"\nextern "C" int getv(void) { return V; }\n' > a/v.cc
    define a/v.ipp "$1"
}
c_includes_no_ending() { c a '#include "../inc/v"'; define inc/v "$1"; }
c_includes_by_a_macro() { c a '#define HEADER "../inc/v.h"' '#  include HEADER'; define inc/v.h "$1"; }
c_includes_a_go_file() { c a '#include "../inc/v.go"'; define inc/v.go "$1"; shared=no; }
c_asks_whether_a_file_exists() {
    c a '#if __has_include("../inc/two")' '#define V 2' '#elif __has_include("../inc/three")' '#define V 3' '#else' '#define V 1' '#endif'
    case $1 in 2) define inc/two 0 ;; 3) define inc/three 0 ;; *) define inc/one 0 ;; esac
}
# Paths that are not whole in one place, or lead another way. Out of the tree there is no condition.
beside='mkdir /build/beside; echo "#define V $V" > /build/beside/v.h;'
c_asks_for_a_file_of_a_search_path() {
    mkdir p
    c p/a '#cgo CFLAGS: -I${SRCDIR}/../..' '#if __has_include("../beside/v.h")' '#include "../beside/v.h"' '#else' '#define V 1' '#endif'
    main_program "$module/p/a"
    before='if [ $V != 1 ]; then '$beside' fi'
}
c_includes_by_a_link_among_processes() { c a '#include "/proc/self/root/build/beside/v.h"'; before=$beside shared=no; }
c_includes_by_a_detour() { c a '#include "/usr/../build/beside/v.h"'; before=$beside; }
c_includes_a_name_on_two_lines() { c a '#include "../.\' './beside/v.h"'; before=$beside shared=no; }
c_includes_by_a_macro_of_a_flag() { c a '#cgo CFLAGS: -DUP=..' '#define TEXT(x) #x' '#define STRING(x) TEXT(x)' '#include STRING(UP/UP/beside/v.h)'; before=$beside shared=no; }
asm_includes_an_escape_behind_a_comment() { asm a '/**/#include "\x2e./\x2e./beside/v.h"'; before=$beside shared=no; }
c_includes_a_program_that_go_installs() { c a '#include "../bin/v.h"'; define bin/v.h "$1"; chmod 755 bin/v.h; before='export GOBIN=$PWD/bin' shared=no; }
c_includes_a_file_like_a_temporary_one() { c a '#cgo CFLAGS: -I${SRCDIR}/../..' '#include <go-build2/v.h>'; before='mkdir ../go-build2; echo "#define V $V" > ../go-build2/v.h' shared=no; }
c_includes_a_file_of_the_module_cache() { c a '#include "../mod/x/v.h"'; define mod/x/v.h "$1"; before='export GOMODCACHE=$PWD/mod' shared=no; }
header_beside_that_includes_a_go_file() { c a '#include "../../beside/w.h"'; before=$beside'mv /build/beside/v.h /build/beside/v.go; echo "#include \"v.go\"" > /build/beside/w.h'; }
header_beside_that_leads_out_of_the_tree() { c a '#include "../../beside/w.h"'; before=$beside'mv /build/beside/v.h /tmp; echo "#include \"/tmp/v.h\"" > /build/beside/w.h' shared=no; }

c_takes_a_precompiled_header() {
    c_file a '#include <v.h>' 'int getv(void) { return V; }'
    sed -i 's|^// extern|// #cgo CFLAGS: -I${SRCDIR}/../inc\n&|' a/a.go
    define inc/v.h 9
    define made.h "$1"
    # gcc takes it for the same flags only, and makes another one each time.
    shared=no
    before='gcc -g -O2 -fPIC -pthread -x c-header made.h -o inc/v.h.gch; rm made.h'
}
c_takes_bytes_of_a_file() {
    c_file a '__asm__(".data\nv_data: .incbin \"../data/v.bin\"\n.byte 0\n.text\n");' 'extern char v_data[];' 'int getv(void) { return v_data[0] - 48; }'
    mkdir data
    printf '%s' "$1" > data/v.bin
}
c_assembly_includes_a_file() {
    c_file a ''
    printf '.include "../inc/v.inc"\n.text\n.globl getv\ngetv:\n\tmov $VALUE, %%eax\n\tret\n.section .note.GNU-stack,"",@progbits\n' > a/v_amd64.S
    mkdir inc
    printf '.set VALUE, %s\n' "$1" > inc/v.inc
}

# GOBIN is where `go install` puts programs. Other files there count.
c_includes_a_file_beside_programs() { c a '#include "../bin/v.h"'; define bin/v.h "$1"; before='export GOBIN=$PWD/bin'; }
asm_includes_a_file_beside_programs() { asm a '#include "../bin/v.h"'; define bin/v.h "$1"; before='export GOBIN=$PWD/bin'; }
c_of_files_on_the_command_line() { rm -rf a; printf 'package main\n\n// #include "inc/v.h"\nimport "C"\n\nfunc main() { println(int(C.V)) }\n' > main.go; define inc/v.h "$1"; run='go build -o /out/program main.go; /out/program 2> /out/said'; }

### links
link_to_a_directory_of_the_store() {
    c a '#cgo CFLAGS: -I${SRCDIR}/../third_party/v' '#include "v.h"'
    mkdir third_party
    define "$WORK/store-paths/$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1-v/v.h" "$1"
    ln -s "/nix/store/$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1-v" third_party/v
}
link_to_a_directory_whose_content_changes() {
    c a '#cgo CFLAGS: -I${SRCDIR}/../third_party/v' '#include "v.h"'
    mkdir third_party
    define "$WORK/in/linked/v.h" "$1"
    ln -s /in/linked third_party/v
}
link_to_a_directory_that_buildphase_makes() {
    c a '#cgo CFLAGS: -I${SRCDIR}/../third_party/v' '#include "v.h"'
    before='mkdir -p third_party /build/made; echo "#define V $V" > /build/made/v.h; ln -s /build/made third_party/v'
}
link_of_a_link() {
    asm a '#include "../linked/v.h"'
    define one/v.h 1
    define two/v.h 2
    define three/v.h 3
    case $1 in 1) ln -s one middle ;; 2) ln -s two middle ;; *) ln -s three middle ;; esac
    ln -s middle linked
}
link_that_leads_nowhere_at_first() {
    c a '#if __has_include("../inc/v.h")' '#include "../inc/v.h"' '#else' '#define V 1' '#endif'
    mkdir inc
    ln -s "/in/appears-$1.h" inc/v.h
    [ "$1" = 1 ] || define "$WORK/in/appears-$1.h" "$1"
}

# The kernel goes up from where the link leads.
above_a_link='mkdir -p /build/other/deep; echo "#define V $V" > /build/other/v.h'
link_that_an_include_goes_up_from() { c a '#include "../linked/../v.h"'; ln -s /build/other/deep linked; before=$above_a_link; shared=no; }
link_that_a_flag_goes_up_from() { c a '#cgo CFLAGS: -I${SRCDIR}/../linked/..' '#include <v.h>'; ln -s /build/other/deep linked; before=$above_a_link; shared=no; }
link_that_assembly_goes_up_from() { asm a '#include "../linked/../v.h"'; ln -s /build/other/deep linked; before=$above_a_link; shared=no; }

### made by the build, or changed while it runs
header_made_by_buildphase() { c a '#include "../inc/v.h"'; before='mkdir inc; echo "#define V $V" > inc/v.h'; }
asm_header_made_by_buildphase() { asm a '#include "../inc/v.h"'; before='mkdir inc; echo "#define V $V" > inc/v.h'; }
# With one GOCACHE Go itself would take what it made of the first header.
other_header='GOCACHE=/build/first go build -o /build/first.out .; echo "#define V $V" > inc/v.h; touch -d @1 inc/v.h'
header_changed_between_two_commands() { c a '#include "../inc/v.h"'; define inc/v.h 7; before=$other_header; }
asm_header_changed_between_two_commands() { asm a '#include "../inc/v.h"'; define inc/v.h 7; before=$other_header; }
# The compiler itself changes the header after it has read it: what it made is of the header before. So the value is one less than
# the header's at the end of the build before.
header_changed_while_the_command_runs() {
    c a '#include "../inc/v.h"'
    define inc/v.h "$1"
    script cc.sh 'gcc "$@" || exit' 'case "$*" in *a.cgo2.c*) echo "#define V $(($(tail -c 2 /build/source/inc/v.h) + 1))" > /build/source/inc/v.h; touch -d @1 /build/source/inc/v.h ;; esac'
    before='export CC=/build/source/cc.sh'
    shared=no
}
directory_renamed_while_the_command_runs() {
    c a '#include "../inc/v.h"'
    local n
    for n in 1 2 3 4; do define "versions/$n/v.h" "$n"; done
    mv "versions/$1" inc
    # The files keep their times.
    script cc.sh 'gcc "$@" || exit' 'cd /build/source' 'case "$*" in *a.cgo2.c*) n=$(tail -c 2 inc/v.h); mv inc versions/$n; mv versions/$((n + 1)) inc ;; esac'
    before='export CC=/build/source/cc.sh'
    shared=no
}

### modules
# A dependency in module dep, whose package includes a header of its module.
dependency() { mkdir -p "$1" && printf 'module dep.test/dep\n\ngo 1.21\n' > "$1/go.mod" && main_program dep.test/dep/a && need dep.test/dep v1.0.0; }
replaced_module_with_c() {
    dependency dep
    printf 'replace dep.test/dep => ./dep\n' >> go.mod
    c dep/a '#include "../inc/v.h"'
    define dep/inc/v.h "$1"
}
replaced_module_with_assembly() {
    dependency dep
    printf 'replace dep.test/dep => ./dep\n' >> go.mod
    asm dep/a '#include "../inc/v.h"'
    define dep/inc/v.h "$1"
}
replaced_module_beside_the_main_one() {
    before='cp -r beside ../dep'
    dependency beside
    printf 'replace dep.test/dep => ../dep\n' >> go.mod
    c beside/a '#include "../inc/v.h"'
    define beside/inc/v.h "$1"
}
vendored() { dependency vendor/dep.test/dep && printf '# dep.test/dep v1.0.0\n## explicit; go 1.21\ndep.test/dep/a\n' > vendor/modules.txt; }
vendored_module_with_c() {
    vendored
    c vendor/dep.test/dep/a '#include "../inc/v.h"'
    define vendor/dep.test/dep/inc/v.h "$1"
}
vendored_module_with_assembly() {
    vendored
    asm vendor/dep.test/dep/a '#include "../../dep/inc/v.s.inc"'
    define vendor/dep.test/dep/inc/v.s.inc "$1"
}
vendor_directory_that_is_linked() {
    vendored
    c vendor/dep.test/dep/a '#include "../inc/v.h"'
    define vendor/dep.test/dep/inc/v.h "$1"
    rm -rf "$WORK/in/vendor"
    mv vendor "$WORK/in/vendor"
    ln -s /in/vendor vendor
}
vendored_module_that_includes_the_main_one() {
    vendored
    c vendor/dep.test/dep/a '#cgo CFLAGS: -I${SRCDIR}/../../../../inc' '#include <v.h>'
    define inc/v.h "$1"
}
vendored_module_that_is_linked_from_the_store() {
    local path=/nix/store/$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1$1-dep
    vendored
    rm -rf "${WORK:?}/store-paths/${path##*/}"
    mv vendor/dep.test/dep "$WORK/store-paths/${path##*/}"
    c "$WORK/store-paths/${path##*/}/a" '#include "../inc/v.h"'
    define "$WORK/store-paths/${path##*/}/inc/v.h" "$1"
    ln -s "$path" vendor/dep.test/dep
}
# The same version has another content.
module_of_the_module_cache() {
    environment=("GOPROXY=file:///in/proxy-$1")
    dependency dep
    c dep/a '#include "../inc/v.inc"'
    define dep/inc/v.inc "$1"
    proxied "$1"
}
module_of_the_module_cache_with_assembly() {
    environment=("GOPROXY=file:///in/proxy-$1")
    dependency dep
    asm dep/a '#include "../inc/v.inc"'
    define dep/inc/v.inc "$1"
    proxied "$1"
}
proxied() {
    rm -rf "$WORK/in/proxy-$1"
    "$WORK/fileproxy" "$WORK/in/proxy-$1" dep.test/dep v1.0.0 dep
    rm -rf dep
    # The go command itself unpacks it.
    before='export GOFLAGS="$GOFLAGS -mod=mod"'
}
module_of_another_modfile() {
    dependency dep
    sed 's/^module/&/' go.mod > other.mod
    printf 'replace dep.test/dep => ./dep\n' >> other.mod
    c dep/a '#include "../inc/v.h"'
    define dep/inc/v.h "$1"
    run='go build -modfile=other.mod -o /out/program .; /out/program 2> /out/said'
    shared=no
}
module_that_is_none_but_gopath() {
    main_program dep.test/dep/a
    c dep/a '#include "../inc/v.h"'
    define dep/inc/v.h "$1"
    before='mkdir -p /build/go/src/dep.test; cp -r dep /build/go/src/dep.test/dep; export GO111MODULE=off; rm go.mod'
    shared=no
}
directory_through_a_link() { asm a '#include "../inc/v.h"'; define inc/v.h "$1"; before='ln -s source ../link; cd ../link'; }
module_of_a_workspace() {
    before='cp -r other ../other; export GOWORK=/build/go.work; printf "go 1.21\n\nuse ./source\nuse ./other\n" > /build/go.work'
    dependency other
    sed -i '/^require/d' go.mod
    c other/a '#include "../inc/v.h"'
    define other/inc/v.h "$1"
}
nested_module_that_includes_its_parent() {
    dependency nested
    printf 'replace dep.test/dep => ./nested\n' >> go.mod
    asm nested/a '#include "../../inc/v.h"'
    define inc/v.h "$1"
}

### outside of the module
# outside VALUE: the header is beside the module, in the tree of the build.
outside() { before='mkdir ../outside; echo "#define V $V" > ../outside/v.h; touch -d @1 ../outside/v.h'; }
outside_by_dots() { c a '#include "../../outside/v.h"'; outside; }
outside_by_dots_in_assembly() { asm a '#include "../../outside/v.h"'; outside; }
outside_by_an_absolute_path() { c a '#include "/build/outside/v.h"'; outside; }
outside_by_a_flag_with_dots() { c a '#cgo CFLAGS: -I${SRCDIR}/../..' '#include <outside/v.h>'; outside; }
outside_by_an_absolute_flag() { c a '#cgo CFLAGS: -I/build/outside' '#include <v.h>'; outside; }
outside_by_a_continued_line() { c a '#inc\' 'lude "../../outside/v.h"'; outside; }
outside_by_a_macro() { c a '#define HEADER "../../outside/v.h"' '#include HEADER'; outside; }
outside_by_a_macro_for_dots() { c a '#define TEXT(x) #x' '#define PATH(x) TEXT(x/outside/v.h)' '#define UP ../..' '#include PATH(UP)'; outside; shared=no; }
outside_by_two_slashes() { c a '#include "//build/outside/v.h"'; outside; }
outside_by_two_slashes_in_assembly() { asm a '#include "/.//build/outside/v.h"'; outside; }
# A file that is not there at first, and is named by a definition alone.
outside_by_a_definition() { c a '#define HEADER "/build/outside/v.h"' '#if __has_include(HEADER)' '#include HEADER' '#else' '#define V 1' '#endif'; before='[ $V = 1 ] || { mkdir ../outside; echo "#define V $V" > ../outside/v.h; }'; }
outside_from_the_root_of_the_module() {
    main_program "$module"
    mkdir cmd
    mv main.go cmd
    rm -rf a
    c . '#cgo CFLAGS: -I..' '#include <outside/v.h>'
    sed -i '1s/.*/package a/' a.go
    outside
    run='go build -o /out/program ./cmd; /out/program 2> /out/said'
}
outside_by_a_directory_of_the_temporary_one() { c a '#include "/tmp/v.h"'; before='echo "#define V $V" > /tmp/v.h'; shared=no; }
# What pkg-config reads gives flags on each line.
pkg_config() { mkdir -p pc; { printf '%s\n' "$@"; printf 'Name: v\nDescription: v\nVersion: 1\n'; } > pc/v.pc; }
outside_by_pkg_config_with_dots() { c a '#cgo pkg-config: ${SRCDIR}/../pc/v.pc' '#include <outside/v.h>'; pkg_config 'Cflags: -I${pcfiledir}/../..'; outside; }
outside_by_a_prefix_with_dots() { c a '#cgo pkg-config: ${SRCDIR}/../pc/v.pc' '#include <v.h>'; pkg_config 'prefix=${pcfiledir}/../..' 'Cflags: -I${prefix}/outside'; outside; shared=no; }
outside_by_a_prefix_for_temporary_files() { c a '#cgo pkg-config: v' '#include <v.h>'; pkg_config 'prefix=/tmp' 'Cflags: -I${prefix}/inc'; before='mkdir /tmp/inc; echo "#define V $V" > /tmp/inc/v.h; export PKG_CONFIG_PATH=$PWD/pc'; shared=no; }
outside_by_pkg_config_beside() { c a '#cgo pkg-config: v'; before='mkdir ../pc; printf "Name: v\nDescription: v\nVersion: 1\nCflags: -include /tmp/v.h\n" > ../pc/v.pc; echo "#define V $V" > /tmp/v.h; export PKG_CONFIG_PATH=/build/pc'; shared=no; }
outside_a_go_file_by_pkg_config() { c a '#cgo pkg-config: v'; pkg_config 'Cflags: -include ${pcfiledir}/../number/number.go'; define number/number.go "$1"; before='export PKG_CONFIG_PATH=$PWD/pc' shared=no; }
in_memory() {
    before='echo "#define V $V" > /dev/shm/gocacheprog-test-v.h; trap "rm /dev/shm/gocacheprog-test-v.h" EXIT'
    shared=no
}
outside_in_memory_by_two_slashes() { c a '#include "/dev//shm/gocacheprog-test-v.h"'; in_memory; }
outside_in_memory_by_a_flag() { c a '#cgo CFLAGS: -I/dev' '#include <shm/gocacheprog-test-v.h>'; in_memory; }
outside_by_an_escape_in_assembly() { asm a '#include "../\x2e./outside/v.h"'; outside; shared=no; }
outside_with_a_name_like_a_temporary_one() { c a '#cgo CFLAGS: -I${SRCDIR}/../..' '#include <ccconfig.h>'; before='echo "#define V $V" > ../ccconfig.h'; shared=no; }
outside_in_a_temporary_directory_of_go() { c a '#cgo CFLAGS: -I${SRCDIR}/../gen' '#include <v.h>'; before='mkdir gen; export GOTMPDIR=$PWD/gen; echo "#define V $V" > gen/v.h'; shared=no; }
outside_by_a_link_of_the_module() {
    asm a '#include "../linked/v.h"'
    ln -s ../outside linked
    outside
}

### by ways of their own: a macro, the root, what is left out otherwise
ELSEWHERE='mkdir /build/outside; echo "#define V $V" > /build/outside/v.h; touch -d @1 /build/outside/v.h;'
outside_by_a_macro_of_a_directory() { c_file a '#define TEXT(x) #x' '#define STRING(x) TEXT(x)' '#define DIR /tmp' '#include STRING(DIR/v.h)' 'int getv(void) { return V; }'; before='echo "#define V $V" > /tmp/v.h'; shared=no; }
outside_by_a_macro_with_an_argument() { c_file a '#define TEXT(x) #x' '#define STRING(x) TEXT(x)' '#define P(name) STRING(/build/outside/name)' '#include P(v.h)' 'int getv(void) { return V; }'; before=$ELSEWHERE; }
outside_by_a_macro_for_temporary_files() { c_file a '#define TEXT(x) #x' '#define STRING(x) TEXT(x)' '#define P(name) STRING(/tmp/name)' '#include P(v.h)' 'int getv(void) { return V; }'; before='echo "#define V $V" > /tmp/v.h'; shared=no; }
outside_a_file_of_nix() { c a '#cgo CFLAGS: -I${SRCDIR}/../..' '#include <env-vars>'; before='echo "#define V $V" > ../env-vars'; shared=no; }
header_among_programs_by_a_flag() { c a '#cgo CFLAGS: -I${SRCDIR}/../bin' '#include <v.h>'; define bin/v.h "$1"; chmod 755 bin/v.h; touch bin/README; before='export GOBIN=$PWD/bin'; shared=no; }
header_among_programs_by_a_variable() { c a '#include <v.h>'; define bin/v.h "$1"; chmod 755 bin/v.h; touch bin/README; before='export GOBIN=$PWD/bin CGO_CFLAGS=-I/build/source/bin'; shared=no; }
outside_by_a_trigraph() { c_file a '#include "/tm??/' 'p/v.h"' 'int getv(void) { return V; }'; sed -i 's|^// extern|// #cgo CFLAGS: -std=c99\n&|' a/a.go; before='echo "#define V $V" > /tmp/v.h'; shared=no; }
outside_by_the_root_as_a_flag() { c a '#cgo CFLAGS: -I/' '#include <build/outside/v.h>'; before=$ELSEWHERE; shared=no; }
outside_by_the_root_in_a_variable() { c a '#include <tmp/v.h>'; before='echo "#define V $V" > /tmp/v.h; export CPATH=/'; shared=no; }
outside_a_file_that_a_header_beside_takes_in() { c_file a '#include "../../outside/w.h"' 'extern char v_data[];' 'int getv(void) { return v_data[0] - 48; }'; before='mkdir ../outside; printf "__asm__(\".data\\\\nv_data: .incbin \\\\\"/tmp/v.bin\\\\\"\\\\n.byte 0\\\\n.text\\\\n\");\n" > ../outside/w.h; printf $V > /tmp/v.bin'; shared=no; }

# What differs little from another kind.
ONLY_FULL='^asm_(includes_(another|a_directory|a_linked|an_escape|a_header_that|a_file_beside)|header|in_another)|^c(pp)?_includes_(another|no|a_name_on|by_a_macro_of)|^c_(asks_for|assembly|includes_a_file_beside)|^header_beside_that_includes
    |^link_(of_a_link|that_(a_flag|assembly|leads_nowhere)|to_a_directory_that)|^module_(of_(another|the_module_cache_with)|that_is_none)|^vendor(ed_module_that_is|_directory)
    |^(replaced|vendored)_module_with_assembly|^header_among|^outside_(by_(a_macro_of_a_d|a_trigraph|the_root_in|dots_in|a_continued|two_slashes|a_macro_for|an_escape|an_absolute_flag|a_definition|a_link_of|a_prefix_with|pkg_config_beside)|a_go_file_by|a_file_|in_memory_by_a_flag|from_the_root|with_a_name|in_a)'
ONLY_FULL=${ONLY_FULL//[[:space:]]/}
mapfile -t kinds < <(kinds_of_file "$CASE_DIR/cases/condition-files.sh")
try_kinds "${kinds[@]}"
end_kinds
echo "summary: $KIND_BUILDS builds of files that are in no key: right in both modes"
