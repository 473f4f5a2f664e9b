# A history of 30 builds of two real programs, with edits, other flags and a new version among them. Source it after
# lib/fake_builds.sh. The programs and their modules come from GOPROXY, checked against the checksum database.
# shellcheck shell=bash
set -euo pipefail

HISTORY_FIRST=filippo.io/age@v1.2.1
HISTORY_SECOND=github.com/junegunn/fzf@v0.56.3

# fetch_history: sources in WORK/first and WORK/second, their modules in a GOMODCACHE of our own.
fetch_history() {
    local name program from
    export GOMODCACHE=$WORK/modules GOFLAGS=-modcacherw
    for name in first second; do
        program=$HISTORY_FIRST
        [ "$name" = first ] || program=$HISTORY_SECOND
        from=$(cd "$WORK" && go mod download -json "$program" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
        cp -r "$from" "$WORK/$name"
        chmod -R u+w "$WORK/$name"
        (cd "$WORK/$name" && go mod download)
    done
    # The programs' lists of tools are not needed, and would change go.mod.
    export GOFLAGS='-mod=mod -trimpath' CGO_ENABLED=0 GOPROXY=off
}

# history_build NAME DIR PACKAGE [FLAG...]: one build of a program.
history_build() {
    cd "$WORK/$2" || return 1
    fake_build "$1" go build "${@:4}" -o "$WORK/out" "$3"
    rm -f "$WORK/out"
}

# edit DIR FILE: changes a text in the package.
edit() { printf '\nfunc init() { _ = "%s" }\n' "$RANDOM-$SECONDS" >> "$WORK/$1/$2"; }

# make_history: the 30 builds; the latest of age has an edited package that others import.
make_history() {
    local n
    for ((n = 1; n <= 14; n++)); do
        case $n in
            4 | 9) edit first internal/stream/stream.go ;;
            6) edit first cmd/age/age.go ;;
        esac
        if [ $n = 12 ]; then
            history_build age-1.2.1 first ./cmd/age -gcflags=all=-l
        else
            history_build age-1.2.1 first ./cmd/age
        fi
    done
    for ((n = 1; n <= 14; n++)); do
        case $n in 3 | 7 | 10) edit second src/util/util.go ;; esac
        history_build fzf-0.56.3 second .
    done
    edit second src/algo/algo.go
    history_build fzf-0.57.0 second .
    edit first internal/stream/stream.go
    history_build age-1.2.1 first ./cmd/age
}
