# Compares the files of a traced build with Go's keys and with the conditions of its archives. Source it after lib/oracle_trace.sh.
# shellcheck shell=bash
set -euo pipefail

# key_files: prints, for the packages of the main module in the present directory and for all that they import:
#   PACKAGE|key|FILE for each file that Go's key of the package contains by content, but Go's own files
#   PACKAGE|dir|DIRECTORY   PACKAGE|module|ROOT, of its module   PACKAGE|std|DIRECTORY, of Go's own packages
# PACKAGE is `main` for a program, as in the arguments of the compiler. Paths have no links.
# shellcheck disable=SC2016 # for go list
key_files() {
    local list template='{{$p := .ImportPath}}{{if eq .Name "main"}}{{$p = "main"}}{{end}}{{$d := .Dir}}{{if .Standard}}{{$p}}|std|{{$d}}{{else}}{{$p}}|dir|{{$d}}{{"\n"}}{{if and .Module .Module.Dir}}{{$p}}|module|{{.Module.Dir}}{{"\n"}}{{end}}'
    for list in GoFiles CgoFiles CFiles CXXFiles MFiles HFiles FFiles SFiles SwigFiles SwigCXXFiles SysoFiles EmbedFiles; do
        template+="{{range .$list}}{{\$p}}|key|{{\$d}}/{{.}}{{\"\\n\"}}{{end}}"
    done
    go list -deps -f "$template{{end}}" ./... | sed '/^$/d' | without_links 3
}

# uncovered DIR: prints the rows of DIR/files (traced_files) that are neither in Go's key nor in the condition of the package's
# archive, with the class of the archive in front. Reads in DIR:
#   keys       what key_files printed
#   classes    PACKAGE|plain   PACKAGE|condition|SCOPE   PACKAGE|private
#   members    SCOPE|FILE of each condition, without links
#   roots      SCOPE|DIRECTORY below which each file that is no Go source would be a member
#   not-counted directories that do not count: the toolchain, the system, the store of the cache, temporary files
# A name at which nothing was, or a directory, is covered where a file of that name, or in it, would be a member. Linking a program
# puts nothing into the cache; what it reads has to be in the key or the condition of some package. So has what a compiler reads
# when the go command asks for its version.
uncovered() {
    # shellcheck disable=SC2016 # for awk
    awk -F'|' -v dir="$1" '
        function below(path, root) { return path == root || index(path, root "/") == 1 }
        function is_outside(path,   i) { for (i in outside) if (below(path, i)) return 1; return 0 }
        function below_root(path, scope,   root) {
            for (root in roots) if (rooted[root, scope] && below(path, root)) return 1
            return 0
        }
        function covered(package, path, what,   scope) {
            if (key[package, path]) return 1
            scope = scope_of[package]
            if (scope == "") return 0
            return member[scope, path] || (what != "file" && below_root(path, scope))
        }
        function covered_by_any(path, what,   package) {
            for (package in class) if (covered(package, path, what)) return 1
            return 0
        }
        BEGIN {
            while ((getline < (dir "/keys")) > 0) if ($2 == "key") key[$1, $3] = 1; else directories[$3]
            while ((getline < (dir "/classes")) > 0) { class[$1] = $2; scope_of[$1] = $3; has_private = has_private || $2 == "private" }
            while ((getline < (dir "/members")) > 0) member[$1, $2] = 1
            while ((getline < (dir "/roots")) > 0) { roots[$2]; rooted[$2, $1] = 1 }
            while ((getline line < (dir "/not-counted")) > 0) outside[line]
        }
        # Of names in the linker scripts of the system (libgcc_s.so: GROUP ( libgcc_s.so.1 -lgcc )) the linker looks for a file in the
        # directory of the go command first. No file of a module is looked for so.
        $2 == "ld" && $3 == "absent" && $4 ~ /\/main\/lib[a-z_]*\.so\.[0-9]+$/ { next }
        is_outside($4) || ($3 == "directory" && ($4 in directories || $4 == "/")) { next }
        class[$1] == "private" { next }
        # What is linked for a private package is shared with none.
        $1 == "link" && has_private { next }
        $1 == "link" || $1 == "checks" { if (!covered_by_any($4, $3)) print $0; next }
        !covered($1, $4, $3) { print (class[$1] == "" ? "no class" : class[$1] (scope_of[$1] == "" ? "" : " " scope_of[$1])) "|" $0 }' "$1/files"
}
