# The program programs/layered (nix/layered.nix) in the cases about layers. Source it after lib/case.sh; LAYERED_SRC is its source, if it
# is not the one in the repository.
# shellcheck shell=bash
set -euo pipefail

# programs_in_store: adds what layers need of our programs to the Nix store; prints the path.
programs_in_store() {
    mkdir -p "$WORK/programs/bin"
    cp "$BIN/cacheprog-client" "$BIN/cacheprogctl" "$WORK/programs/bin/"
    nix_run nix-store --add "$WORK/programs"
}

LAYERED=("$CASE_DIR/nix/layered.nix" --argstr gosdk "$SDK" --arg overlay "$ROOT_DIR/overlay/default.nix" --argstr programs "$(programs_in_store)"
    --arg src "${LAYERED_SRC:-$CASE_DIR/programs/layered}")

# built NAME [NIX-ARG...]: builds it; prints the path.
built() {
    nixbuild "${LAYERED[@]}" "${@:2}" 2> "$WORK/$1.log" || { tail -n 40 "$WORK/$1.log" >&2; return 1; }
}
# compiled NAME: the packages that the build compiled, sorted; go commands print their commands.
compiled() { grep -oE '/compile .* -p [^ ]+' "$WORK/$1.log" | sed 's/.* -p //' | sort -u | tr '\n' ' '; }
# compiled_by_itself NAME: the same, without what was compiled for its layers in the same nix-build.
compiled_by_itself() {
    sed '/building.*layered-1.drv/,$!d' "$WORK/$1.log" > "$WORK/itself.log"
    compiled itself
}

# Linked with C a program has the path of its own output in it, and ld's hash of all its bytes.
_without_its_path() {
    objcopy --remove-section .note.gnu.build-id "$1/bin/layered" "$2" && sed -i "s|$1|OUT|g" "$2"
}
# same_but_for_its_path OUTPUT OUTPUT: whether the programs of two builds have the same bytes.
same_but_for_its_path() {
    _without_its_path "$1" "$WORK/bytes-1" && _without_its_path "$2" "$WORK/bytes-2" && cmp "$WORK/bytes-1" "$WORK/bytes-2"
}
