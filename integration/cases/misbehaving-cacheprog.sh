# Shows what each version of cmd/go does with cache programs that break the protocol's rules (matrix/src/misbehaving_cacheprog.rs):
# the exit status of four commands, or of two without `integration/test --full`, is compared with the table in
# docs/explanation/never-fatal.md, which is the same for all versions. The client's fallbacks rest on it.
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

# status GO KIND COMMAND: "ok", "fails" or "hangs".
status() {
    local go=$1 kind=$2 out=ok
    shift 2
    rm -rf "$WORK/gocache" "$WORK/misbehaving"
    GOCACHE=$WORK/gocache GOCACHEPROG="$matrix --misbehave $kind $WORK/misbehaving" timeout 300 "$go" "$@" > "$WORK/out" 2>&1 || out=$?
    case $out in ok | hangs) ;; 124) out=hangs ;; *) out=fails ;; esac
    echo "$out"
}
for version in $(go_versions); do
    go=$(go_with_cacheprog "$version")
    release=$("$go" env GOVERSION | grep -o '1\.[0-9]*')
    for kind in good gets-miss gets-fail hits-without-file hits-of-another-size puts-nowhere puts-fail puts-without-path ends; do
        line="| $kind |"
        for command in "${commands[@]}"; do
            # The command is split into words. Without --full the slow ones, whose result equals that of `build`, are left out.
            # shellcheck disable=SC2086
            case ${TEST_FULL:-no}:$command in
                no:test* | no:*-export*) line+=" [a-z]* |" ;;
                *) line+=" $(status "$go" "$kind" $command) |" ;;
            esac
        done
        echo "$release: $line"
    done
done > "$WORK/table"
cat "$WORK/table"
while read -r release line; do
    grep -qx "$line" "$ROOT_DIR/docs/explanation/never-fatal.md" || fail "Go $release docs/explanation/never-fatal.md has no line: $line"
done < "$WORK/table"
echo "summary: as in the table: $(wc -l < "$WORK/table") lines"
