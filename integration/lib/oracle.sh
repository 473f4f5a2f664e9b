# The steps of the oracle (integration/oracle, cases/oracle.sh). Source it after lib/case.sh.
# shellcheck shell=bash
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$CASE_DIR/lib/tools.sh"
source "$CASE_DIR/lib/real_modules.sh"
source "$CASE_DIR/lib/oracle_trace.sh"
source "$CASE_DIR/lib/oracle_check.sh"
source "$CASE_DIR/lib/fake_builds.sh"
source "$CASE_DIR/lib/oracle_counts.sh"

# What a condition does not have to name: the toolchain is in the namespace, the system is part of the machine.
GO_ROOT=$(go env GOROOT)
NOT_COUNTED="/nix/store $GO_ROOT /usr /bin /lib /lib64 /etc /proc /sys /dev"
# The builds see nothing of the user's. SQLite alone takes a minute where C is optimized.
ORACLE_ENVIRONMENT=(HOME="$WORK/home" PATH="$GO_ROOT/bin:/usr/bin:/bin" GOPATH="$(go env GOPATH)" GOMODCACHE="$(go env GOMODCACHE)"
    GOPROXY="$(go env GOPROXY)" GOSUMDB="$(go env GOSUMDB)" GOFLAGS="${ORACLE_GOFLAGS--trimpath}" GOTOOLCHAIN=local GOTELEMETRY=off
    GOENV=off CGO_ENABLED=1 CGO_CFLAGS=-O0 CGO_CXXFLAGS=-O0)
MODULES=$WORK/modules

# oracle_prepare: what the builds need of the machine.
oracle_prepare() { need_tools strace=strace pkg-config=pkg-config g++=g++ && need_headers && mkdir -p "$WORK/home"; }

# make_module NAME: makes the main module of that name in MODULES/NAME/main.
make_module() {
    mkdir -p "$MODULES/$1"
    # shellcheck disable=SC2016 # for the shell inside
    env -i "${ORACLE_ENVIRONMENT[@]}" bash -c 'source "$1/lib/real_modules.sh"; real_module "$2" "$3"' bash "$CASE_DIR" "$1" "$MODULES/$1" \
        > "$MODULES/$1/made.log" 2>&1 || { cat "$MODULES/$1/made.log" >&2; return 1; }
}

# in_module NAME COMMAND...: runs the command in that main module, in its environment.
in_module() {
    local name=$1 environment
    shift
    mapfile -t environment < <(real_environment "$name" "$MODULES/$name")
    (cd "$MODULES/$name/main" && env -i "${ORACLE_ENVIRONMENT[@]}" ${environment[@]+"${environment[@]}"} "$@")
}

# oracle_trace NAME: makes the main module, vendored unless ORACLE_MODULE_CACHE is set, and builds it under strace, with the client
# on a store that has Go's own packages already. Leaves in MODULES/NAME what `uncovered` reads.
oracle_trace() {
    local name=$1 dir=$MODULES/$1
    make_module "$name"
    [ -n "${ORACLE_MODULE_CACHE:-}" ] || vendor_module "$name" 2> "$dir/vendor.log"
    # The client's environment and directory are kept, to ask it afterwards. What runs is the client itself.
    printf '#!/bin/bash\nexport -p > %q/environment\npwd > %q/directory\nexec %q --store %q\n' "$dir" "$dir" "$BIN/cacheprog-client" "$dir/store" > "$dir/prog"
    chmod 755 "$dir/prog"
    _compile_std "$name"
    cp -a --reflink=auto "$WORK/std-store" "$dir/store"
    cat > "$dir/build" << SCRIPT
#!/bin/bash
cd $(printf %q "$dir/main") && exec env -i $(printf '%q ' "${ORACLE_ENVIRONMENT[@]}") $(real_environment "$name" "$dir" | sed "s/.*/'&'/" | tr '\n' ' ') \
    GOCACHE=$(printf %q "$dir/gocache") GOCACHEPROG=$(printf %q "$dir/prog") GOTMPDIR="\$GOTMPDIR" TMPDIR="\$TMPDIR" go build -work -o ../program .
SCRIPT
    chmod 755 "$dir/build"
    trace_build "$dir" "$dir/build" 2> "$dir/build.log" || { cat "$dir/build.log" >&2; return 1; }
    # shellcheck disable=SC2016 # for the shell inside
    in_module "$name" bash -c 'source "$1/lib/oracle_trace.sh"; source "$1/lib/oracle_check.sh"; key_files' bash "$CASE_DIR" > "$dir/keys"
    awk -F'|' '$2 == "dir" || $2 == "std" { print $3 "|" $1 }' "$dir/keys" > "$dir/places"
    traced_files "$dir" "$dir/places" > "$dir/files"
    { tr ' ' '\n' <<< "$NOT_COUNTED"; printf '%s\n' "$WORK/home" "$dir"/{gocache,gotmp,tmp,store,program,prog,build}; } | tr '\n' '\0' |
        xargs -0 realpath -m -- > "$dir/not-counted"
    put_classes "$dir" "$dir/store/records" > "$dir/classes"
    condition_members "$dir" > "$dir/members"
    condition_roots "$dir" > "$dir/roots"
}

# _compile_std NAME: puts Go's own packages that this main module needs into WORK/std-store.
_compile_std() {
    local std
    mapfile -t std < <(in_module "$1" go list -deps -f '{{if .Standard}}{{.ImportPath}}{{end}}' ./... | grep -vx -e '' -e unsafe -e C)
    (cd "$WORK/home" && env -i "${ORACLE_ENVIRONMENT[@]}" GOCACHE="$WORK/std-gocache" GOCACHEPROG="$BIN/cacheprog-client --store $WORK/std-store" go build "${std[@]}")
}

# put_classes DIR RECORDS: prints the class in which the archive of each compiled package is in the store, as `uncovered` reads it.
# A condition is a record with a scope (crates/store/src/format/record.rs); one without is plain.
put_classes() {
    local work package archive output
    find "$2" -type f -exec cat {} + | cut -f3,11,12 > "$1/records"
    while IFS='|' read -r work package; do
        archive=$(echo "$1"/gotmp/go-build*/"$work"/_pkg_.a)
        [ -e "$archive" ] || continue
        output=$(sha256sum < "$archive" | cut -d' ' -f1)
        awk -F'\t' -v output="$output" -v package="$package" '
            $1 != output { next }
            $2 == "-" { plain = 1; next }
            $3 == "private" { private = 1; next }
            { scope = $3 }
            END {
                if (plain) print package "|plain"
                else if (scope != "") print package "|condition|" scope
                else if (private) print package "|private"
            }' "$1/records"
    done < <(sort -u "$1/packages")
}

# condition_members DIR: asks the client for the files of each condition; prints SCOPE|FILE without links.
condition_members() {
    local scope root kind path
    condition_roots "$1" | awk -F'|' '!seen[$1]++' | while IFS='|' read -r scope root; do
        client_condition "$1" "$scope" > "$1/parts" || { echo "oracle.sh: the client has no condition for $scope" >&2; return 1; }
        sed -n 's/^\([fd]\) \(.*\) [0-9a-f]\{16\}$/\1|\2/p' "$1/parts" | while IFS='|' read -r kind path; do
            # Of a scope with very many files, directories are named.
            if [ "$kind" = d ]; then find -L "$root/$path" -type f ! -name '*.go' -printf "$scope|%p\n"; else echo "$scope|$root/$path"; fi
        done
    done | without_links 2
}

# client_condition DIR SCOPE: what the client of that build says of a scope.
client_condition() {
    # shellcheck disable=SC2016 # for the shell inside
    env -i bash -c 'source "$1/environment"; cd "$(cat "$1/directory")" && exec "$2" condition "$3"' bash "$1" "$BIN/cacheprog-client" "$2"
}

# condition_roots DIR: prints SCOPE|DIRECTORY for each condition: its root first, then the directories to which links in it lead.
condition_roots() {
    local package scope root
    awk -F'|' '$2 == "condition" && !seen[$3]++ { print $1 "|" $3 }' "$1/classes" | while IFS='|' read -r package scope; do
        root=$1/main
        case $scope in
            std | 'std asm') continue ;;
            module\ * | asm\ *)
                root=$(sed -n "s#^$package|module|##p" "$1/keys" | head -n 1)
                # Of vendored modules the go command does not say where they are.
                if [ -z "$root" ] || [ ! -d "$root" ]; then root=${scope#* } && root=$1/main/vendor/${root%@*}; fi ;;
        esac
        root=$(realpath -- "$root")
        echo "$scope|$root"
        { find -L "$root" -type d -print0 2> /dev/null || true; } | xargs -0 realpath -- | awk -v scope="$scope" -v root="$root" \
            '$0 != root && index($0, root "/") != 1 { print scope "|" $0 }' | sort -u
    done
}

# figures_of NAME KIND: the expected figures of a module in integration/oracle-figures.
figures_of() { awk -v name="$1" -v kind="$2" '$1 == name && $2 == kind { $1 = $2 = ""; sub(/^ +/, ""); print }' "$CASE_DIR/oracle-figures"; }

# classes_of NAME: how many packages of that traced build, without Go's own, are plain, under the condition of an assembler's module,
# of a module, of the tree, and private.
classes_of() {
    awk -F'|' '
        NR == FNR { if ($2 == "std") is_std[$1]; next }
        $1 in is_std { next }
        { class = $2 == "condition" ? $3 : $2; sub(/ .*/, "", class); count[class]++ }
        END { print count["plain"] + 0, count["asm"] + 0, count["module"] + 0, count["tree"] + 0, count["private"] + 0 }' "$MODULES/$1"/{keys,classes}
}

# oracle_module NAME: traces that module; fails where a file is not covered, or where the classes are other ones than expected.
oracle_module() {
    oracle_trace "$1"
    uncovered "$MODULES/$1" > "$MODULES/$1/uncovered"
    expect "$1: each of $(wc -l < "$MODULES/$1/files") files that its tools looked at is in Go's key or in the condition" \
        _none "$MODULES/$1/uncovered"
    is "$1: packages that are plain, asm, module, tree, private" "$(figures_of "$1" "${ORACLE_MODULE_CACHE:+cached-}classes")" "$(classes_of "$1")"
}
_none() { if [ -s "$1" ]; then head -n 20 "$1" >&2; return 1; fi; }

# oracle_counts NAME: the packages compiled after each edit are the expected ones.
oracle_counts() {
    count_edits "$1"
    is "$1: packages compiled ($EDITS)" "$(figures_of "$1" counts)" "$COUNTS"
}

# without_member NAME PATTERN: says what is uncovered in that traced build, if the members of conditions that match the pattern (of
# grep) were no members.
without_member() {
    local dir=$MODULES/$1 without=$MODULES/$1/without
    rm -rf "$without"
    mkdir "$without"
    cp "$dir"/{keys,classes,roots,not-counted,files} "$without"
    grep -v -e "$2" "$dir/members" > "$without/members" || true
    if cmp -s "$dir/members" "$without/members"; then fail "$1: no member matches $2"; fi
    uncovered "$without"
}
