# Proves that what Go's keys of tests and of vet leave out is seen, by kind: variables, files that are read outside of Go's sight,
# programs that a test starts or builds, what a run leaves behind, sources that are not compiled here. A test that passed must fail
# after the change, in explicit and transparent mode. (Played sandboxes. Texts for builds are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016,SC2034,SC2154
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
source "$CASE_DIR/lib/played_sandbox.sh"
source "$CASE_DIR/lib/kinds.sh"
source "$CASE_DIR/lib/test_kinds.sh"
begin_kinds

### variables, which a test may read before its log begins
variable_called_debug() { wants 'os.Getenv("debug")' os; environment=("debug=$1"); }
variable_called_lib() { wants 'os.Getenv("lib")' os; environment=("lib=$1"); }
# Variables of the derivation count where a source names them.
variable_called_version() { wants 'os.Getenv("version")' os; environment=("version=$1"); }
variable_of_a_list() { wants 'func() string { for _, name := range strings.Fields("revision version") { if v := os.Getenv(name); v != "" { return v } }; return "" }()' os strings; environment=("version=$1"); }
variable_that_a_child_reads() { wants 'func() string { b, _ := exec.Command("sh", "-c", "printf $version").Output(); return string(b) }()' os/exec; environment=("version=$1"); }
variable_that_a_child_is_asked_for() { wants 'func() string { b, _ := exec.Command("sh", "-c", "printenv version").Output(); return strings.TrimSpace(string(b)) }()' os/exec strings; environment=("version=$1"); }
# In one build it is not set.
variable_of_one_build() { wants 'map[string]string{"": "1"}[os.Getenv("version")]' os; [ "$1" = 1 ] || environment=("version=$1"); }
variable_called_columns() { wants 'os.Getenv("COLUMNS")' os; environment=("COLUMNS=$1"); }
mask_of_modes() { wants 'func() string { os.WriteFile("/tmp/x", nil, 0o666); i, _ := os.Stat("/tmp/x"); os.Remove("/tmp/x"); return map[os.FileMode]string{0o644: "1"}[i.Mode()] }()' os; before='[ $V = 1 ] || umask 077'; shared=no; }
variable_of_white_space() { wants 'map[string]string{"a b": "1"}[os.Getenv("MODE")]' os; before='export MODE="a b"; [ $V = 1 ] || export MODE=$(printf "a\nb")'; }
variable_of_leading_space() { wants 'map[string]string{"a": "1"}[os.Getenv("MODE")]' os; before='export MODE="a"; [ $V = 1 ] || export MODE=" a"'; }
variable_that_is_empty() { wants 'func() string { _, is := os.LookupEnv("MODE"); return map[bool]string{false: "1"}[is] }()' os; before='[ $V = 1 ] || export MODE='; }
variable_that_is_not_text() { wants 'map[string]string{"\x80": "1"}[os.Getenv("MODE")]' os; before='[ $V = 1 ] && export MODE=$(printf "\200") || export MODE=$(printf "\201")'; }

### files
# reads FILE: Go code for the content of a file, by os.
file_that_is_read_early() { wants "$(reads testdata/v)" os; mkdir testdata; printf '%s' "$1" > testdata/v; }
file_beside_that_is_read_early() { wants "$(reads ../golden/v)" os; before='mkdir ../golden; printf $V > ../golden/v'; }
file_of_the_build_that_is_read_early() { wants "$(reads /build/v)" os; before='printf $V > /build/v'; }
file_of_a_home_that_is_read_early() { wants 'func() string { h, _ := os.UserHomeDir(); b, _ := os.ReadFile(h + "/.v"); return string(b) }()' os; before='export HOME=/build/home; mkdir /build/home; printf $V > /build/home/.v'; shared=no; }
file_of_go_that_is_read_early() { wants 'func() string { b, _ := os.ReadFile("gen/x.go"); return string(b[len(b)-1:]) }()' os; mkdir gen; printf 'package gen\n\nconst X = %s' "$1" > gen/x.go; }
file_behind_a_link() { wants "$(reads linked/v)" os; ln -s ../outside linked; before='mkdir ../outside; printf $V > ../outside/v; touch -d @1 ../outside/v ../outside'; }
file_that_is_a_link() { wants "$(reads v)" os; ln -s ../outside v; before='printf $V > ../outside; touch -d @1 ../outside'; }
file_behind_a_root() { go_test 'import ( "io"; "os"; "testing" )' 'func TestRoot(t *testing.T) { r, err := os.OpenRoot("/build"); if err != nil { t.Fatal(err) }; f, err := r.Open("v"); if err != nil { t.Fatal(err) }; b, _ := io.ReadAll(f); if string(b) != "1" { t.Fatal(string(b)) } }'; before='printf $V > ../v; touch -d @1 ../v'; shared=no; } # Go's key has the time of /build
file_that_is_opened_by_syscall() { raw syscall syscall; }
file_that_is_opened_by_syscall_under_another_name() { raw 's "syscall"' s; }
# raw IMPORT NAME
raw() {
    go_test "import $1" 'import "testing"' "func TestRaw(t *testing.T) { fd, err := $2.Open(\"/build/v\", 0, 0); if err != nil { t.Fatal(err) }; b := make([]byte, 1); $2.Read(fd, b); if b[0] != '1' { t.Fatal(b) } }"
    sed -i 's/^import syscall$/import "syscall"/' m_test.go
    before='printf $V > ../v'
}
file_that_c_opens() {
    go_test 'import "testing"' 'func TestC(t *testing.T) { if v() != 49 { t.Fatal(v()) } }'
    printf 'package m\n\n/*\n#include <stdio.h>\nstatic int first(void) { return fgetc(fopen("/build/v", "r")); }\n*/\nimport "C"\n\nfunc v() int { return int(C.first()) }\n' > m.go
    before='printf $V > ../v'
}
file_of_time_zones() { wants 'func() string { l, err := time.LoadLocation("V"); if err != nil { return err.Error() }; return time.Unix(0, 0).In(l).Format("4") }()' time; mkdir zones; tail -c +1 /usr/share/zoneinfo/UTC > zones/V; before='export ZONEINFO=$PWD/zones; [ $V = 1 ] && cp /usr/share/zoneinfo/Africa/Monrovia zones/V || true; touch -d @1 zones/V'; sed -i 's/Format("4")/Format("04")/; s/seen != "1"/seen != "15"/' m_test.go; }
file_of_go_source() { wants 'func() string { b, _ := exec.Command("tail", "-c", "2", "other/other.go").Output(); return string(b[:1]) }()' os/exec; mkdir other; printf 'package other\n\nconst N = %s\n' "$1" > other/other.go; }

### libraries, which are read when the test is linked: Go's key of a link has their names
library_of_the_module() { wants_library "$module/l"; calls l l '-L${SRCDIR}/../lib -lv'; library "$1" lib/libv.a; }
library_that_buildphase_makes() { wants_library "$module/l"; calls l l '-L/build/lib -lv'; library "$1" libv.a; before='mkdir ../lib; mv libv.a ../lib'; }
library_of_a_flag() { wants_library "$module/l"; calls l l -lv; library "$1" lib/libv.a; run='go test -vet=off "-ldflags=-extldflags=-L/build/source/lib" .'; }
library_of_a_vendored_module() {
    wants_library dep.test/dep/l
    calls vendor/dep.test/dep/l l '${SRCDIR}/../lib/libv.a'
    library "$1" vendor/dep.test/dep/lib/libv.a
    printf '# dep.test/dep v1.0.0\n## explicit; go 1.21\ndep.test/dep/l\n' > vendor/modules.txt
    need dep.test/dep v1.0.0
    shared=no
}
library_of_a_replaced_module() {
    wants_library dep.test/dep/l
    calls dep/l l '${SRCDIR}/../lib/libv.a'
    library "$1" dep/lib/libv.a
    printf 'module dep.test/dep\n\ngo 1.21\n' > dep/go.mod
    need dep.test/dep v1.0.0
    printf 'replace dep.test/dep => ./dep\n' >> go.mod
    before='mv dep ../dep; sed -i "s,=> ./dep,=> ../dep," go.mod'
    shared=no
}
# The package that links it is of another module, and the flag of none.
library_of_a_variable() {
    wants_library dep.test/dep/l
    calls vendor/dep.test/dep/l l -lv
    library "$1" libv.a
    printf '# dep.test/dep v1.0.0\n## explicit; go 1.21\ndep.test/dep/l\n' > vendor/modules.txt
    need dep.test/dep v1.0.0
    before='mkdir ../lib; mv libv.a ../lib; export CGO_LDFLAGS=-L/build/lib'
}
library_that_is_loaded() {
    wants_library "$module/l"
    calls l l '-L/build/source/lib -lv'
    mkdir lib
    echo "int lib(void) { return $1; }" | gcc -xc -shared -fPIC -o lib/libv.so -
    before='export LD_LIBRARY_PATH=/build/source/lib'
}

### programs
tool() { mkdir -p cmd/tool; printf 'package main\n\nfunc main() { print(%s) }\n' "$1" > cmd/tool/main.go; }
program_that_the_test_builds() { wants 'func() string { exec.Command("go", "build", "-o", "/build/tool", "./cmd/tool").Run(); b, _ := exec.Command("/build/tool").CombinedOutput(); return string(b) }()' os/exec; tool "$1"; shared=no; }
program_that_go_run_runs() { wants 'func() string { b, _ := exec.Command("go", "run", "./cmd/tool").CombinedOutput(); return string(b) }()' os/exec; tool "$1"; shared=no; }
program_that_was_built_before() { wants 'func() string { b, _ := exec.Command("/build/bin/tool").CombinedOutput(); return string(b) }()' os/exec; tool "$1"; before='go build -o /build/bin/tool ./cmd/tool'; shared=no; }
# Other flags give another program of the same sources.
program_that_was_installed_before() { wants 'func() string { b, _ := exec.Command("tool").CombinedOutput(); return string(b) }()' os/exec; mkdir -p cmd/tool; printf 'package main\n\nvar v string\n\nfunc main() { print(v) }\n' > cmd/tool/main.go; before='go install -ldflags "-X main.v=$V" ./cmd/tool; export PATH=$PATH:/build/go/bin'; }
file_of_git_that_a_child_reads() { wants 'func() string { b, _ := exec.Command("head", "-c1", ".git/HEAD").Output(); return string(b) }()' os/exec; before='mkdir .git; echo $V > .git/HEAD'; }
program_that_is_a_script() { wants 'func() string { b, _ := exec.Command("./v.sh").Output(); return string(b) }()' os/exec; script v.sh "printf $1"; }
program_that_another_package_runs() {
    mkdir run
    printf 'package run\n\nimport "os/exec"\n\n// Output of a program.\nfunc Output() string { b, _ := exec.Command("cat", "/build/v").Output(); return string(b) }\n' > run/run.go
    wants 'run.Output()' "$module/run"
    before='printf $V > ../v'
}
program_that_a_module_of_another_modfile_runs() {
    mkdir -p other/run
    printf 'module other.test/o\n\ngo 1.21\n' > other/go.mod
    printf 'package run\n\nimport "os/exec"\n\n// Output of a program.\nfunc Output() string { b, _ := exec.Command("cat", "/build/v").Output(); return string(b) }\n' > other/run/run.go
    wants 'run.Output()' other.test/o/run
    need other.test/o v1.0.0
    cp go.mod other.mod
    printf 'replace other.test/o => ../other\n' >> other.mod
    before='mv other ../other; printf $V > ../v'
    run='go test -vet=off -modfile=other.mod .'
}
program_that_os_starts() { wants 'func() string { r, w, _ := os.Pipe(); p, err := os.StartProcess("/bin/cat", []string{"cat", "/build/v"}, &os.ProcAttr{Files: []*os.File{nil, w, nil}}); if err != nil { return err.Error() }; p.Wait(); b := make([]byte, 1); r.Read(b); return string(b) }()' os; before='printf $V > ../v'; }
program_that_runs_the_tests() { go_test 'import "testing"' 'func TestNothing(t *testing.T) {}'; script exec.sh "exit $(($1 - 1))"; run='go test -vet=off -exec=/build/source/exec.sh .'; shared=no; }
program_that_runs_the_tests_beside_the_tree() { program_that_runs_the_tests "$1"; before='mv exec.sh ..'; run='go test -vet=off -exec /build/exec.sh .'; }

### in directories for temporary files and for programs; what a process inherits
file_among_programs_that_is_read_early() { wants "$(reads bin/v)" os; mkdir bin; printf '%s' "$1" > bin/v; before='export GOBIN=$PWD/bin'; }
library_among_programs() { wants_library "$module/l"; calls l l '-L${SRCDIR}/../bin -lv'; library "$1" bin/libv.a; before='export GOBIN=$PWD/bin'; }
temporary_file_that_a_child_reads() { wants 'func() string { b, _ := exec.Command("sh", "-c", "cat $TMPDIR/v").Output(); return string(b) }()' os/exec; before='mkdir ../tmp; export TMPDIR=/build/tmp; printf $V > ../tmp/v'; }
temporary_file_that_is_read_early() { wants 'func() string { b, _ := os.ReadFile(os.TempDir() + "/v"); return string(b) }()' os; before='mkdir ../tmp; export TMPDIR=/build/tmp; printf $V > ../tmp/v'; }
temporary_program_that_a_test_runs() { wants 'func() string { b, _ := exec.Command(os.TempDir() + "/tool").CombinedOutput(); return string(b) }()' os os/exec; mkdir -p cmd/tool; printf 'package main\n\nvar v string\n\nfunc main() { print(v) }\n' > cmd/tool/main.go; before='mkdir ../tmp; export TMPDIR=/build/tmp; go build -ldflags "-X main.v=$V" -o $TMPDIR/tool ./cmd/tool'; }
temporary_file_of_go_that_a_child_reads() { wants 'func() string { b, _ := exec.Command("sh", "-c", "cat gen/v").Output(); return string(b) }()' os/exec; before='mkdir gen; export GOTMPDIR=$PWD/gen; printf $V > gen/v'; }
file_in_tmp_that_is_read_early() { wants "$(reads /tmp/v)" os; before='printf $V > /tmp/v'; }
file_in_tmp_by_a_variable() { wants 'func() string { b, _ := os.ReadFile(os.Getenv("FIXTURE")); return string(b) }()' os; before='printf $V > /tmp/v; export FIXTURE=/tmp/v'; }
file_in_tmp_that_is_read_there() { go_test 'import ( "os"; "testing" )' 'func init() { os.Chdir("/tmp/d") }' 'func TestX(t *testing.T) { b, _ := os.ReadFile("v"); if string(b) != "1" { t.Fatal(string(b)) } }'; before='mkdir /tmp/d; printf $V > /tmp/d/v'; }
library_in_tmp_by_a_flag() { wants_library "$module/l"; calls l l '-L/tmp/lib -lv'; library "$1" libv.a; before='mkdir /tmp/lib; mv libv.a /tmp/lib'; }
library_in_tmp_by_a_variable() { wants_library "$module/l"; calls l l -lv; library "$1" libv.a; before='mv libv.a /tmp; export CGO_LDFLAGS=-L/tmp'; }
library_in_tmp_by_linker_flags() { wants_library "$module/l"; calls l l -lv; library "$1" libv.a; before='mkdir /tmp/lib; mv libv.a /tmp/lib'; run='go test -vet=off "-ldflags=-extldflags=-L/tmp/lib" .'; }
library_in_tmp_by_go_env() { wants_library "$module/l"; calls l l -lv; library "$1" libv.a; before='mkdir /tmp/lib; mv libv.a /tmp/lib; export GOENV=/build/goenv; go env -w CGO_LDFLAGS=-L/tmp/lib'; shared=no; }
signal_that_is_ignored() { go_test 'import ( "os/signal"; "syscall"; "testing" )' 'func TestX(t *testing.T) { if signal.Ignored(syscall.SIGHUP) { t.Fatal("ignored") } }'; before='[ $V = 1 ] || trap "" HUP'; }
mode_of_the_build_directory() { wants 'func() string { i, _ := os.Stat(".."); return map[os.FileMode]string{0o755: "1"}[i.Mode().Perm()] }()' os; before='[ $V = 1 ] && chmod 755 .. || chmod 700 ..'; }
directory_by_another_name() { wants 'func() string { d, _ := os.Getwd(); return map[string]string{"/build/source": "1"}[d] }()' os; before='ln -s source ../link; [ $V = 1 ] || cd ../link'; }
variable_of_the_shell() { wants 'map[string]string{"/": "1"}[os.Getenv("OLDPWD")]' os; before='cd /; cd /build/source; [ $V = 1 ] || { cd /tmp; cd /build/source; }'; }
variable_of_no_shell() { wants 'os.Getenv("moon-Phase")' os; environment=("moon-Phase=$1"); }
zone_in_tmp_by_a_variable() { wants 'map[string]string{"00": "1"}[time.Unix(0, 0).Format("04")]' time; before='export TZ=/tmp/V; [ $V = 1 ] && cp /usr/share/zoneinfo/UTC /tmp/V || cp /usr/share/zoneinfo/Asia/Kolkata /tmp/V'; }
file_of_a_test_before() {
    wants "$(reads /build/left)" os
    mkdir a b
    mv m.go m_test.go b
    sed -i 's/seen != "1"/seen != ""/' b/m_test.go
    printf 'package a\n' > a/a.go
    printf 'package a\n\nimport ( "os"; "testing" )\n\nfunc TestA(t *testing.T) { if "%s" == "2" { os.WriteFile("/build/left", nil, 0o644); os.WriteFile("/build/left", []byte("2"), 0o644) } }\n' "$1" > a/a_test.go
    run='go test -p 1 -vet=off ./a ./b'
}

### what a run leaves behind: the next commands need it
leaves_a_directory_beside() { leaves 'os.Mkdir("../cov", 0o755)' 'touch ../cov/x'; }
leaves_a_file_beside() { leaves 'os.WriteFile("../left", nil, 0o644)' 'test -e ../left'; }
leaves_a_link_beside() { leaves 'os.Symlink("x", "/build/link")' 'test -L ../link'; }
leaves_a_file_in_a_directory_beside() { leaves 'os.Mkdir("/build/beside/x", 0o755)' 'test -d ../beside/x'; before='mkdir ../beside'; }
leaves_a_file_by_a_child() { leaves 'exec.Command("sh", "-c", "echo x > /build/left").Run()' 'test -e ../left'; }
leaves_a_directory_in_the_module() { leaves 'os.Mkdir("made", 0o755)' 'test -d made'; }
leaves_a_file_elsewhere() { leaves 'os.WriteFile("/tmp/left", nil, 0o644)' 'test -e /tmp/left'; }
leaves_a_file_in_an_output() { leaves 'exec.Command("sh", "-c", "mkdir -p $out; echo x > $out/left").Run()' 'test -e $out/left; rm -r $out'; environment=("out=/nix/store/dddddddddddddddddddddddddddddddd-out"); }
leaves_a_mode() { leaves 'os.Chmod("/build/beside", 0o700)' 'test "$(stat -c %a /build/beside)" = 700'; before='mkdir -m 755 ../beside'; }
leaves_fewer_files() { leaves 'os.Remove("/build/beside/x")' 'test ! -e ../beside/x'; before='mkdir ../beside; touch ../beside/x'; }
leaves_a_profile() { leaves 'error(nil)' 'test -s /out/cover'; run=${run/-vet=off/-vet=off -coverprofile=/out/cover}; }
leaves_the_mode_of_the_build_directory() { leaves 'os.Chmod("/build", 0o700)' 'test "$(stat -c %a /build)" = 700'; before='chmod 755 /build'; }
leaves_the_mode_of_a_temporary_directory() { leaves 'os.Chmod("/build/tmp", 0o700)' 'test "$(stat -c %a /build/tmp)" = 700'; before='mkdir -m 755 /build/tmp; export TMPDIR=/build/tmp'; }
leaves_a_file_beside_modules() { leaves 'exec.Command("sh", "-c", "echo > /build/go/pkg/left").Run()' 'test -e /build/go/pkg/left'; before='mkdir -p /build/go/pkg'; }

### vet
vet_of_an_ignored_file() { go_test 'import "testing"' 'func TestNothing(t *testing.T) {}'; ignored "$1" y_windows.go; run='go test .'; }
# ignored VALUE FILE: a file for another system, with a constraint in a wrong place if the value is 2.
ignored() { if [ "$1" = 1 ]; then printf '//go:build windows\n\npackage m\n' > "$2"; else printf '//go:build windows\npackage m\n//go:build linux\n' > "$2"; fi; }
vet_of_an_ignored_file_alone() { go_test ''; rm m_test.go; ignored "$1" y_windows.go; run='go vet .'; shared=no; }
vet_of_a_file_with_a_constraint() { go_test ''; rm m_test.go; if [ "$1" = 1 ]; then printf '//go:build never\n\npackage m\n' > y.go; else printf '//go:build never\npackage m\n//go:build linux\n' > y.go; fi; run='go vet .'; shared=no; }
vet_of_ignored_assembly() { go_test ''; rm m_test.go; printf 'package m\n\nfunc f()\n' > m.go; printf 'TEXT ·f(SB),4,$0-0\n\tRET\n' > m_amd64.s; if [ "$1" = 1 ]; then printf '// +build windows\n\n' > y_windows.s; else printf '// +build windows\nTEXT x(SB),4,$0\n// +build linux\n' > y_windows.s; fi; run='go vet .'; shared=no; }
# Vet reads the Go sources that cgo made of a header.
vet_of_c() { go_test ''; rm m_test.go; printf 'package m\n\n// #include "v.inc"\nimport "C"\n\nfunc shifted(x C.t) C.t { return x << 40 }\n' > m.go; if [ "$1" = 1 ]; then echo 'typedef long long t;'; else echo 'typedef int t;'; fi > v.inc; run='go vet .'; shared=no; }
vet_by_another_tool() { go_test ''; rm m_test.go; script vet.sh 'case $1 in -V=full) echo "vet.sh version 1" ;; -flags) echo "[]" ;; *)' "touch \$(sed -n 's/.*\"VetxOutput\": \"\\(.*\\)\",\\?/\\1/p' \"\$1\"); exit $(($1 - 1)) ;; esac"; run='go vet -vettool=/build/source/vet.sh .'; shared=no; }

# What differs little from another kind.
ONLY_FULL='^variable_(called_(lib|version)|of_(leading|white)|that_is_not)|^file_((beside|of_a_home)_that|of_the_build|that_is_opened_by_syscall_under|of_go_that)|^library_(of_a_(flag|vendored|variable)|that_buildphase)
    |^program_that_(was_(installed|built)|go_run|another|a_module|runs_the_tests_beside)
    |^(file|library|temporary_program|zone)_(among|in_tmp_(by|that_is_read_there))|^temporary_.*_that_(is|a_test)|^temporary_file_of_go|^directory_by_another|^variable_of_no_shell
    |^leaves_((a_link|a_file)_beside|fewer|the_mode_of_a)|^vet_of_ignored'
ONLY_FULL=${ONLY_FULL//[[:space:]]/}
mapfile -t kinds < <(kinds_of_file "$CASE_DIR/cases/condition-tests.sh")
try_tests "${kinds[@]}"
end_kinds
echo "summary: $KIND_BUILDS builds with inputs of tests and of vet that are in no key: right in both modes"
