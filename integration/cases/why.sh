# Proves that `why` names the cause of a miss: sixteen prepared causes, each with the expected answer, and the summary in a build's
# log. Go's own output about its keys (GODEBUG=gocachehash=1) is compared with the answers.
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/fake_builds.sh"
start_daemon
export GOPROXY=off GOSUMDB=off CGO_ENABLED=0

# A program with two packages, one of which imports the other, and few packages of Go.
mkdir -p "$WORK/src"/{deep,middle,cmd/tiny,c}
cd "$WORK/src" || exit 1
printf 'module example.test/tiny\n\ngo 1.21\n' > go.mod
printf 'package deep\n\nfunc Number() int { return 1 }\n' > deep/deep.go
printf 'package deep\n\nimport "testing"\nimport "os"\n\nfunc TestGolden(t *testing.T) {\n\tif text, err := os.ReadFile("testdata/golden"); err != nil || len(text) == 0 {\n\t\tt.Fatal(err)\n\t}\n}\n' > deep/deep_test.go
mkdir deep/testdata && echo golden > deep/testdata/golden
printf 'package middle\n\nimport "example.test/tiny/deep"\n\nfunc Twice() int { return 2 * deep.Number() }\n' > middle/middle.go
printf 'package main\n\nimport "example.test/tiny/middle"\n\nfunc main() { println(middle.Twice()) }\n' > cmd/tiny/main.go
printf 'package c\n\n// int one(void) { return 1; }\nimport "C"\n\nfunc One() int { return int(C.one()) }\n' > c/c.go

build() { rm -f "$WORK/out"; fake_build "tiny-$1" go build -o "$WORK/out" "${@:2}" ./cmd/tiny; }
why() { "$BIN/cacheprogctl" why --control-socket "$CONTROL" --all "$@"; }
# answer PACKAGE CAUSE SURE [TEXT]: `why` gives this cause for the package in the latest build.
answer() {
    why "$FAKE_BUILD_ID" > "$WORK/why" || { cat "$WORK/why" >&2; fail "why failed"; }
    if ! awk -F'\t' -v p="$1" -v c="$2" -v s="$3" -v t="${4:-}" '$1 == p && $4 == c && $5 == s && index($6, t) { found = 1 }
        END { exit !found }' "$WORK/why"; then
        cat "$WORK/why" >&2
        fail "expected for $1: $2, $3 ${4:-}"
    fi
    echo "ok: $2 ($3): $(awk -F'\t' -v p="$1" '$1 == p { print $6; exit }' "$WORK/why")"
}
missed() { why "$FAKE_BUILD_ID" | awk -F'\t' -v p="$1" '$1 == p { n++ } END { print n + 0 }'; }
deep=example.test/tiny/deep middle=example.test/tiny/middle

build 1
answer $middle "first build" certain
build 1
is "the same again: packages missed" 0 "$(missed $middle)"
answer - mtime-keyed certain # 1

mkdir new && printf 'package new\n\nfunc New() {}\n' > new/new.go
sed -i 's|^import .*|import (\n\t"example.test/tiny/middle"\n\t_ "example.test/tiny/new"\n)|' cmd/tiny/main.go
build 2
answer example.test/tiny/new "never seen" certain # 2
answer 'main (tiny)' "new source" certain "imports example.test/tiny/new"

sed -i 's/return 1/return 7/' deep/deep.go
build 3
answer $deep "new source" inferred # 3
answer $middle "changed dependency" certain "$deep changed: new source" # 4
printf 'package deep\n\nfunc More() int { return Number() + Number() + 4 }\n' > deep/more.go
build 4
answer $deep "new source" certain "other files"

build 5 -gcflags=all=-N
answer $deep "other flags" certain # 5
build 6
build 7 -tags sometag
is "a tag without effect: packages missed" 0 "$(missed $deep)"
build 8 -trimpath
answer $deep "other flags" certain trimpath
build 9 -asmflags=all=-D=X
answer internal/cpu "other flags" inferred asmflags

cp -r "$WORK/src" "$WORK/elsewhere"
cd "$WORK/elsewhere" || exit 1
build 10
answer $deep "other directory" certain "$WORK/elsewhere" # 6
cd "$WORK/src" || exit 1
build 11

# The same Go in another directory is another toolchain.
mkdir "$WORK/go2"
# shellcheck disable=SC2016
fake_build tiny-12 sh -c 'mount --bind "$1" "$2" && "$2/bin/go" build -o "$3" ./cmd/tiny' sh "$(go env GOROOT)" "$WORK/go2" "$WORK/out"
answer $deep "other toolchain" certain "now at $WORK/go2" # 7
build 13
printf '#!/bin/sh\nexec "$@"\n' > "$WORK/tool" && chmod 755 "$WORK/tool"
build 14 -toolexec="$WORK/tool"
answer runtime "other flags" certain "-toolexec" # 8
answer $deep "other condition" certain "flags -asmflags, -toolexec differ"

build 15
"$BIN/cacheprogctl" purge --state-dir "$STATE" --all --yes > "$WORK/purged"
build 16
answer $deep evicted certain # 9

# Go keeps no result of a test that looked at a file of the last two seconds.
touch -d '2 minutes ago' deep/testdata/golden
fake_build tiny-17 go test ./deep
echo GOLDEN > deep/testdata/golden
touch -d '1 minute ago' deep/testdata/golden
fake_build tiny-18 go test ./deep
answer $deep "other test inputs" certain # 10

CGO_ENABLED=1 fake_build tiny-19 go build ./c
CGO_ENABLED=1 CGO_CFLAGS=-DX=1 fake_build tiny-20 go build ./c
answer runtime/cgo "other flags" inferred CGO_CFLAGS # 11
answer example.test/tiny/c "changed dependency" certain "runtime/cgo changed: other flags, CGO_CFLAGS"

# What Go's keys leave out: as in a sandbox of Nix, where all variables count.
mkdir -p d/values
printf '#define ONE 1\n' > d/values/one.h
printf 'package d\n\n// #include "values/one.h"\n// int one(void) { return ONE; }\nimport "C"\n\nfunc One() int { return int(C.one()) }\n' > d/d.go
cgo() { CGO_ENABLED=1 fake_build "cgo-$1" env NIX_BUILD_TOP="$WORK/src" "${@:2}" go build ./d; }
cgo 1 REV=1
cgo 1 REV=1
is "the same again: packages missed" 0 "$(missed example.test/tiny/d)"
cgo 1 REV=2 OTHER=1
answer example.test/tiny/d "other condition" certain "module example.test/tiny: variables OTHER, REV differ" # 12
answer runtime/cgo "other condition" certain "standard library: variables OTHER, REV differ"
printf '#define ONE 2\n' > d/values/one.h
cgo 1 REV=2 OTHER=1
answer example.test/tiny/d "other condition" certain "module example.test/tiny: file d/values/one.h differs" # 13
is "the header is no part of the standard library: packages missed" 0 "$(missed runtime/cgo)"
is "the cause that cost most" "other condition" "$(why "$FAKE_BUILD_ID" | awk -F'\t' '$1 == "cause" { getline; print $1; exit }')"
"$BIN/cacheprogctl" why --json --control-socket "$CONTROL" "$FAKE_BUILD_ID" > "$WORK/json"
expect "the values of variables are in no answer" test "$(grep -c 'REV=' "$WORK/json")" = 0
# The first letters of an id name the same build everywhere.
is "builds, by the first letters of an id" "$FAKE_BUILD_ID" \
    "$("$BIN/cacheprogctl" builds --control-socket "$CONTROL" "${FAKE_BUILD_ID:0:6}" | awk -F'\t' 'NR == 2 { print $1 }')"

# Go's own output: after a change of a dependency, the changed keys are those that contain the hash of the changed content.
build 21
sed -i 's/return 7/return 8/' deep/deep.go
GODEBUG=gocachehash=1 build 22 2> "$WORK/hashes"
answer $middle "changed dependency" certain "$deep changed: new source" # 14
expect "Go's key of $middle has the content of $deep" grep -q "HASH\[build $middle\]: \"import $deep " "$WORK/hashes"
for package in $(why "$FAKE_BUILD_ID" | awk -F'\t' '$2 == "package" && $1 !~ /main/ { print $1 }'); do
    expect "$package was missed, and depends on $deep" grep -qE "^HASH\[build $package\]: \"(import $deep |file deep.go )" "$WORK/hashes"
done

# The summary of the setup hook at the end of a build with many misses.
rm -rf "$STATE/accounts"
fake_build tiny-23 sh -c "go build -gcflags=all=-l -o $WORK/out ./cmd/tiny && $BIN/cacheprog-client env exit" > "$WORK/line"
cat "$WORK/line"
expect "the summary names the cause" grep -q "other flags (compiler flags: " "$WORK/line"
expect "for an unknown name a similar one is suggested" grep -q 'did you mean tiny-' <("$BIN/cacheprogctl" why --control-socket "$CONTROL" tinny-1 2>&1)
