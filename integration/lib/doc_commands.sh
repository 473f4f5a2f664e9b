# Commands of README and docs. Sets nothing; reads ROOT_DIR.
# shellcheck shell=bash

# doc_block FILE TEXT: the first block of code of a page that has TEXT in it, as it is written there, without its indent.
doc_block() {
    awk -v text="$2" '
        function done() { if (!found && index(block, text)) { printf "%s", block; found = 1 } block = "" }
        /^    / { if (indent == "") { match($0, /^ +/); indent = substr($0, 1, RLENGTH) } block = block substr($0, length(indent) + 1) "\n"; next }
        { done(); indent = "" }
        END { done() }' "$ROOT_DIR/$1"
}

# doc_commands PROGRAM...: each use of a program in a block of code or between backticks, in the pages that people work with: PAGE|COMMAND.
doc_commands() {
    local programs
    programs=$(IFS='|'; echo "$*")
    (cd "$ROOT_DIR" && awk -v programs="$programs" '
        function uses(text) {
            gsub(/GOCACHEPROG=[a-z\/][^ ]*/, "", text)
            while (match(text, "(^|[ \"/(=])(" programs ")( [^\"`;|&)<>#…]*)?")) {
                command = substr(text, RSTART, RLENGTH)
                sub(/^[ "\/(=]/, "", command)
                print FILENAME "|" command
                text = substr(text, RSTART + RLENGTH)
            }
        }
        /^    / { line = line $0; if (sub(/\\$/, "", line)) next; uses(line); line = ""; next }
        { n = split($0, parts, "`"); for (i = 2; i <= n; i += 2) if (parts[i] ~ "^(" programs ") ") uses(parts[i]) }
    ' README.md CONTRIBUTING.md SECURITY.md docs/README.md docs/how-to/*.md docs/tutorial/*.md docs/explanation/[b-z]*.md) | sort -u
}

# knows_command BIN-DIR COMMAND: whether the program has this subcommand, with these options: they are in its help.
knows_command() {
    local words word help=() options=()
    read -ra words <<< "$2"
    for word in "${words[@]:1}"; do
        word=${word#[}
        word=${word%]}
        case $word in
            --[a-z]*) options+=("${word%%=*}") ;;
            # Behind an option and its value no subcommand follows.
            [a-z]*) if [ "${#options[@]}" = 0 ] && [ "${#help[@]}" -lt 2 ] && [[ $word =~ ^[a-z-]+$ ]]; then help+=("$word"); fi ;;
        esac
    done
    if [ "${words[0]}" = cacheprog-client ]; then
        # One page has all commands of this program.
        "$1/cacheprog-client" --help > "$WORK/help"
        [ "${#help[@]}" = 0 ] || grep -q "^  cacheprog-client.* ${help[0]}\b" "$WORK/help" || return 1
    else
        # A second word may be an argument: the name of a package.
        "$1/${words[0]}" "${help[@]}" --help > "$WORK/help" 2> /dev/null || "$1/${words[0]}" "${help[@]:0:1}" --help > "$WORK/help" || return 1
    fi
    for word in "${options[@]}"; do
        grep -q -e "$word\b" "$WORK/help" || { echo "no $word in the help of: $2" >&2; return 1; }
    done
}
