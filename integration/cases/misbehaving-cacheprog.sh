# What each version of cmd/go makes of cache programs that do what one should not (matrix/src/odd.rs): the exit status of
# four commands, or of two of them without `integration/test --full`, compared with the table of docs/explanation/never-fatal.md. The
# client's fallbacks lean on it.
# shellcheck shell=bash source-path=SCRIPTDIR
# shellcheck disable=SC2034
NO_NIX=1
source "$(dirname "$0")/../lib/case.sh"
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/go.sh"
build_matrix

mkdir "$WORK/src"
cd "$WORK/src" || exit 1
printf 'module tiny\n\ngo 1.21\n' > go.mod
printf 'package main\n\nimport "strings"\n\nfunc main() { println(strings.ToUpper("x")) }\n' > main.go
printf 'package main\n\nimport "testing"\n\nfunc TestX(t *testing.T) {}\n' > main_test.go
export CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local
commands=("build -o $WORK/program ." "test ." "list -export -deps ." "list -compiled -deps .")

# status GO MANNER COMMAND: "ok", or how it ends.
status() {
    local go=$1 manner=$2 out=ok
    shift 2
    rm -rf "$WORK/gocache" "$WORK/odd"
    GOCACHE=$WORK/gocache GOCACHEPROG="$matrix --odd $manner $WORK/odd" timeout 300 "$go" "$@" > "$WORK/out" 2>&1 || out=$?
    case $out in ok | hangs) ;; 124) out=hangs ;; *) out=fails ;; esac
    echo "$out"
}
for version in $(go_versions); do
    go=$(go_with_cacheprog "$version")
    release=$("$go" env GOVERSION | grep -o '1\.[0-9]*')
    for manner in good gets-miss gets-fail hits-without-file hits-of-another-size puts-nowhere puts-fail puts-without-path ends; do
        line="| $release | $manner |"
        for command in "${commands[@]}"; do
            # A command's words. Without --full those that come out as `build` each time, and take longer, are left out.
            # shellcheck disable=SC2086
            case ${TEST_FULL:-no}:$command in
                no:test* | no:*-export*) line+=" [a-z]* |" ;;
                *) line+=" $(status "$go" "$manner" $command) |" ;;
            esac
        done
        echo "$line"
    done
done > "$WORK/table"
cat "$WORK/table"
while read -r line; do
    grep -qx "$line" "$ROOT_DIR/docs/explanation/never-fatal.md" || fail "docs/explanation/never-fatal.md does not say: $line"
done < "$WORK/table"
echo "summary: as the table says: $(wc -l < "$WORK/table") lines"
