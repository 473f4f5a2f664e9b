# Traces a build: which files each of its compilers, assemblers, linkers and cgo processes looks at. Source it.
# shellcheck shell=bash
set -euo pipefail

TRACED_CALLS=open,openat,openat2,readlink,readlinkat,stat,lstat,newfstatat,statx,access,faccessat,faccessat2,execve,execveat

# trace_build DIR COMMAND...: runs a go command in the present directory under strace. Leaves in DIR: trace/ (a file for each
# thread), gotmp/ (for the go command's work directories) and tmp/ (temporary files of C compilers).
trace_build() {
    local dir=$1
    shift
    rm -rf "$dir"/{trace,gotmp,tmp}
    mkdir -p "$dir"/{trace,gotmp,tmp}
    GOTMPDIR=$dir/gotmp TMPDIR=$dir/tmp strace -ff --seccomp-bpf -qq -y -s 65535 -o "$dir/trace/t" \
        -e "trace=$TRACED_CALLS,clone,clone3,fork,vfork" "$@"
}

# traced_packages DIR: prints "WORK|PACKAGE" for each package that the traced build compiled: the name of its work directory, and
# its import path (`main` for a program).
traced_packages() {
    # shellcheck disable=SC2016 # for awk
    awk '/^execve\("[^"]*\/pkg\/tool\/[^"]*\/(compile|asm|cgo)", / && match($0, /\/go-build[0-9]+\/b[0-9]+\//) {
        work = substr($0, RSTART, RLENGTH); sub(/.*\/b/, "b", work); sub(/\/$/, "", work)
        if (match($0, /"(-p|-importpath)", "[^"]*"/)) { name = substr($0, RSTART, RLENGTH); gsub(/.*, "|"$/, "", name); print work "|" name }
    }' "$1"/trace/t.* | sort -u
}

# traced_files DIR PLACES: prints a line for each file that a tool of the traced build looked at:
#   OWNER|TOOL|WHAT|PATH
# OWNER is the import path of the package for which the tool ran; `link` for linking a program; `checks` for questions of the go
# command to a compiler, which belong to no package. WHAT is `file`, `directory`, or `absent` for a name at which nothing was. PATH has no
# links. What the go command and the cache program open themselves is not printed: they make no bytes. PLACES is a file with
# lines DIRECTORY|PACKAGE.
traced_files() {
    local dir=$1 places=$2
    traced_packages "$dir" > "$dir/packages"
    # shellcheck disable=SC2016 # for awk
    awk -F'|' -v packages="$dir/packages" -v places="$places" -v calls="^(${TRACED_CALLS//,/|})[(]" "$TRACE_LIBRARY"'
        BEGIN {
            while ((getline < packages) > 0) package[$1] = $2
            while ((getline < places) > 0) in_place[$1] = $2
        }
        pass == 1 { read_process(); next }
        FILENAME != last { last = FILENAME; process = process_of(thread_of(FILENAME)); tool = tool_of(process); owner = owner_of(process) }
        process == "" || tool == "go" || tool == "cacheprog-client" || $0 !~ calls { next }
        {
            path = path_named()
            what = / = -1 (ENOENT|ENOTDIR)/ ? "absent" : "file"
            # A name that is looked at as a link and is none decides nothing.
            if (path == "" || (/ = -1 / && (what == "file" || /^readlink/))) next
            row = owner "|" tool "|" what "|" path
            if (!(row in seen)) { seen[row]; print row }
        }' pass=1 "$dir"/trace/t.* pass=2 "$dir"/trace/t.* > "$dir/rows"
    without_links 4 < "$dir/rows" > "$dir/resolved"
    # shellcheck disable=SC2016 # for the shell inside
    cut -d'|' -f4- "$dir/resolved" | sort -u | tr '\n' '\0' | xargs -0 -r bash -c 'for path; do [ ! -d "$path" ] || echo "$path"; done' bash > "$dir/directories"
    # shellcheck disable=SC2016 # for awk
    awk -F'|' -v OFS='|' 'NR == FNR { directory[$0]; next } $3 == "file" && $4 in directory { $3 = "directory" } { print }' \
        "$dir/directories" "$dir/resolved" | sort -u
}

# without_links FIELD: copies lines whose last field, this one, is a path, with the links of the path resolved.
without_links() {
    local lines field=$1
    lines=$(mktemp)
    cat > "$lines"
    cut -d'|' -f"$field-" "$lines" | tr '\n' '\0' | xargs -0 -r realpath -m -- | paste -d'|' <(cut -d'|' -f"1-$((field - 1))" "$lines") -
    rm "$lines"
}

# Of a line of strace, and of the processes that the lines show.
# shellcheck disable=SC2016 # for awk
TRACE_LIBRARY='
    function thread_of(file) { sub(/.*\/t\./, "", file); return file }
    # The path that a call names, made absolute.
    function path_named(   text, base) {
        if (!match($0, /"([^"\\]|\\.)*"/)) return ""
        text = substr($0, RSTART + 1, RLENGTH - 2)
        if (text == "" || substr(text, 1, 1) == "/") return text
        base = place[thread_of(FILENAME)]
        if (match($0, /^[a-z0-9_]+\((AT_FDCWD|[0-9]+)<[^>]*>/)) { base = substr($0, RSTART, RLENGTH - 1); sub(/^[^<]*</, "", base) }
        return base "/" text
    }
    function read_process(   thread, text) {
        thread = thread_of(FILENAME)
        if (/^(clone|clone3|fork|vfork)\(/ && match($0, / = [0-9]+/)) parent[substr($0, RSTART + 3, RLENGTH - 3)] = thread
        else if (/^execve(at)?\(/ && / = 0$/) { run[thread] = run[thread] $0; text = $0; sub(/^[^"]*"/, "", text); sub(/".*/, "", text); program[thread] = text }
        else if (!(thread in place) && match($0, /AT_FDCWD<[^>]*>/)) place[thread] = substr($0, RSTART + 9, RLENGTH - 10)
    }
    # The thread in which the program of this thread was started.
    function process_of(thread) { while (thread != "" && !(thread in run)) thread = parent[thread]; return thread }
    function tool_of(process,   name) { name = program[process]; sub(/.*\//, "", name); return name }
    # The package for which a process works: its arguments, or those of a process above it, name the work directory.
    function owner_of(process,   above, text) {
        for (above = process; above != ""; above = process_of(parent[above])) if (tool_of(above) == "link") return "link"
        for (above = process; above != ""; above = process_of(parent[above])) {
            if (tool_of(above) == "pkg-config" && place[above] in in_place) return in_place[place[above]]
            if (match(run[above], /\/go-build[0-9]+\/b[0-9]+\//)) {
                text = substr(run[above], RSTART, RLENGTH - 1); sub(/.*\//, "", text)
                if (text in package) return package[text]
            }
        }
        return "checks"
    }
'
