# Proves that a test result is reused in another build exactly where everything that the test looked at has the same content, and
# that mtimes of the tree never change for it: programs that order by mtime (make) work as without a cache.
# (Texts for Nix are not expanded.)
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC2016
source "$(dirname "$0")/../lib/case.sh"
warm_start
src=$WORK/src
fresh() {
    rm -rf "$src"
    cp -r "$CASE_DIR/programs/small" "$src"
    mkdir -p "$src/listing/data/early"
    echo one > "$src/listing/data/early/text"
    echo one > "$src/listing/data/one"
    printf 'package listing\n' > "$src/listing/listing.go"
    cat > "$src/listing/listing_test.go" << 'GO'
package listing

import (
	"os"
	"testing"
)

// Read before the test's log begins.
var early, _ = os.ReadFile("data/early/text")
var mode = os.Getenv("SMALL_MODE")

func TestMode(t *testing.T) {
	if mode != "" {
		t.Fatal("SMALL_MODE is set")
	}
}

func TestEarly(t *testing.T) {
	if string(early) != "one\n" {
		t.Fatalf("early says %q", early)
	}
}

func TestListing(t *testing.T) {
	entries, err := os.ReadDir("data")
	if err != nil || len(entries) != 2 {
		t.Fatal(entries, err)
	}
}
GO
}
# run VERSION [NIX-ARG...]: builds WORK/src; the log is in WORK/small-VERSION.log.
run() { small "$1" --arg src "$src" "${@:2}" > /dev/null; }
# cached VERSION PACKAGE / ran VERSION PACKAGE: whether go test used a cached result. (Nix writes spaces for tabs.)
cached() { grep -qE "^ok +example.test/small/$2 +\(cached\)" "$WORK/small-$1.log"; }
ran() { grep -qE "^ok +example.test/small/$2 +[0-9.]+s" "$WORK/small-$1.log"; }

fresh
run 1
expect "the first time tests run" ran 1 golden
run 2
for package in golden listing word clib render count; do expect "again, of $package: cached" cached 2 "$package"; done
echo "    $(build_field small-2 gets) gets, $(build_field small-2 hits) hits, $(build_field small-2 private_puts) private puts"

expect "the build's log has a summary of the cache" grep -qE 'nix-gocacheprog: [0-9,]+ of [0-9,]+ packages compiled; ' "$WORK/small-2.log"
misses=$(($(build_field small-2 gets) - $(build_field small-2 hits)))
others=$(($(build_field small-2 puts) - $(build_field small-2 private_puts)))
expect "an unchanged build misses only private entries and the links of its two programs ($misses misses, $others shared puts)" test "$others" -le 2

echo 'func init() { println("again") }' >> "$src/golden/golden.go"
run code
expect "an edit of code: results of independent packages are cached" cached code count
expect "an edit of code: tests of dependent packages run" ran code golden
fresh
sed -i 's/fox/box/' "$src/golden/testdata/golden.txt"
if run golden 2> /dev/null; then fail "a golden file changed at the same size, and the test passed"; fi
expect "a golden file changed at the same size: the test fails" grep -q 'FAIL.*golden' "$WORK/small-golden.log"
fresh
run back
expect "the file as it was: cached" cached back golden
echo two > "$src/listing/data/early/text"
if run early 2> /dev/null; then fail "a file that a test reads before its log begins changed, and it passed"; fi
expect "a file that is read before the log begins: the test fails" grep -q 'early says' "$WORK/small-early.log"
fresh
if run variable --arg extra '{ SMALL_MUST_FAIL = "1"; }' 2> /dev/null; then fail "a variable that fails the test, and it passed"; fi
expect "a variable changed: the test fails" grep -q 'SMALL_MUST_FAIL' "$WORK/small-variable.log"
if run mode --arg extra '{ SMALL_MODE = "1"; }' 2> /dev/null; then fail "a variable that is read before the log begins fails the test, and it passed"; fi
expect "a variable that is read before the log begins: the test fails" grep -q 'SMALL_MODE is set' "$WORK/small-mode.log"
mv "$src/listing/data/one" "$src/listing/data/two"
run name
expect "another name in a listed directory: the test runs" ran name listing
echo more > "$src/listing/data/three"
if run names 2> /dev/null; then fail "one more name in a directory that is listed, and the test passed"; fi
expect "one more name in a listed directory: the test fails" grep -q 'FAIL.*listing' "$WORK/small-names.log"
fresh
run off --arg extra '{ NIX_GOCACHEPROG_TESTS = "0"; }'
expect "switched off in the derivation: tests run" ran off golden

# A server that the build starts, at a port that no source has as a text.
fresh
mkdir -p "$src/asking" "$src/cmd/server"
printf 'package asking\n' > "$src/asking/asking.go"
cat > "$src/asking/asking_test.go" << 'GO'
package asking

import (
	"io"
	"net"
	"strconv"
	"testing"
)

func TestAsking(t *testing.T) {
	server, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(4000+321)))
	if err != nil {
		t.Skip(err)
	}
	answer, err := io.ReadAll(server)
	if err != nil || string(answer) != "one" {
		t.Fatalf("the server says %q, %v", answer, err)
	}
}
GO
cat > "$src/cmd/server/main.go" << 'GO'
package main

import (
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:4321")
	if err != nil {
		panic(err)
	}
	os.WriteFile(os.Args[2], nil, 0o600)
	for {
		connection, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		connection.Write([]byte(os.Args[1]))
		connection.Close()
	}
}
GO
# serving ANSWER: the attributes of a build whose tests have a server that says this; without an answer they have none. What go install
# wrote a moment before the go command that tests looks like a change of a test: the phase waits.
serving() {
    local start='sleep 0.2'
    [ -z "$1" ] || start='$GOPATH/bin/server '$1' $NIX_BUILD_TOP/up > /dev/null 2>&1 & while [ ! -e $NIX_BUILD_TOP/up ]; do sleep 0.1; done'
    printf "{ subPackages = [ \"asking\" \"cmd/server\" ]; preCheck = ''%s''; }" "$start"
}
run alone --arg extra "$(serving "")"
run one --arg extra "$(serving one)"
expect "beside a server a result without one is not used" ran one asking
if run two --arg extra "$(serving two)" 2> /dev/null; then fail "the server says something else, and the test passed"; fi
expect "the server says something else: the test fails" grep -q 'the server says .*two' "$WORK/small-two.log"
run without --arg extra "$(serving "")"
expect "without a server: cached" cached without asking

# Programs that use mtimes: make, for a .go file made from another one, in buildPhase and in checkPhase; a tarball and a
# generator that embed mtimes.
fresh
printf 'generated.go: word.go\n\tsed s/Split/Cut/ word.go | sed s/Greeting/Other/ > generated.go\n\techo made >> made\n' > "$src/word/Makefile"
# All packages with `--full`.
[ -n "${TEST_FULL:-}" ] && packages= || packages='subPackages = [ "word" "golden" "table" ];'
extra="{ $packages "'preBuild = "make -C word; make -C word; sleep 2"; preCheck = "make -C word; touch word/word.go; make -C word";
    postInstall = "cat word/made > $out/made; find golden table -printf %p:%T@:%s- > $out/times; tar cf $out/tree.tar golden table"; }'
make_1=$(small make-1 --arg src "$src" --arg extra "$extra")
make_2=$(small make-2 --arg src "$src" --arg extra "$extra")
without=$(small make-3 --arg src "$src" --arg withHook false --arg extra "$extra")
for file in made times tree.tar; do
    expect "$file: as without a cache" cmp "$make_1/$file" "$without/$file"
    expect "$file: and again" cmp "$make_2/$file" "$without/$file"
done
expect "every object and record of the store is intact" store_is_whole
echo "summary: results of tests are reused by content"
