//! Variables that hold flags, and their values without what differs between builds of one program and gets into no object.

use std::borrow::Cow;
use std::ffi::OsStr;

use super::own_outputs::OwnOutputs;
use super::quoted;

/// Stands for the path of an own output.
const OWN: &[u8] = b"@own@";

/// Variables that hold flags and search paths of C tools, by the beginnings of their names and by names.
const FLAG_STARTS: [&str; 9] =
    ["CGO_", "NIX_CFLAGS", "NIX_CXXSTDLIB", "NIX_LDFLAGS", "PKG_CONFIG", "GCC_", "LD_", "CCC_", "CLANG_"];
const FLAG_NAMES: [&str; 11] = [
    "CPATH",
    "C_INCLUDE_PATH",
    "CPLUS_INCLUDE_PATH",
    "OBJC_INCLUDE_PATH",
    "OBJCPLUS_INCLUDE_PATH",
    "LIBRARY_PATH",
    "COMPILER_PATH",
    "SDKROOT",
    "CC",
    "CXX",
    "FC",
];

/// Whether a variable holds flags or search paths of C tools.
pub(crate) fn is_of_flags(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    FLAG_STARTS.iter().any(|start| name.starts_with(start)) || FLAG_NAMES.contains(&&*name)
}

/// Flags as nixpkgs' wrappers of compiler and linker read them: words with white space between. stdenv adds the output's path as a
/// search path of the linker and of the program, and a seed that it makes of it (pkgs/stdenv/generic/setup.sh `_addRpathPrefix`,
/// pkgs/build-support/setup-hooks/reproducible-builds.sh). Everywhere else the path counts: `-DDATADIR=$out/share` is in the object.
pub(super) fn without_own_paths<'a>(value: &'a [u8], outputs: &OwnOutputs, counts_seed: bool) -> Cow<'a, [u8]> {
    let mut compared = Vec::with_capacity(value.len());
    let mut is_after_rpath = false;
    for piece in value.split_inclusive(u8::is_ascii_whitespace) {
        let word = piece.trim_ascii_end();
        let end = &piece[word.len()..];
        if word.starts_with(SEED) && !counts_seed {
            compared.extend_from_slice(SEED);
        } else {
            let start = LIBRARY_FLAGS.into_iter().find(|flag| word.starts_with(flag));
            let start = start.or(is_after_rpath.then_some(b""));
            let library = start.and_then(|start| Some((start, outputs.library_directory(&word[start.len()..])?)));
            match library {
                Some((start, directory)) => compared.extend_from_slice(&[start, OWN, directory].concat()),
                None => compared.extend_from_slice(word),
            }
        }
        compared.extend_from_slice(end);
        if !word.is_empty() {
            is_after_rpath = word == b"-rpath";
        }
    }
    compared.into()
}

const SEED: &[u8] = b"-frandom-seed=";

/// What stands before a directory of libraries.
const LIBRARY_FLAGS: [&[u8]; 3] = [b"-L", b"-rpath=", b"-Wl,-rpath,"];

/// `GOFLAGS` without the linker's flags, which often hold a version: the linker's output is never put.
pub(super) fn without_ldflags(goflags: &[u8]) -> Cow<'_, [u8]> {
    let is_of_linker = |word: &Vec<u8>| {
        let word = word.strip_prefix(b"-").unwrap_or(word);
        word.strip_prefix(b"-").unwrap_or(word).starts_with(b"ldflags=")
    };
    match quoted::split(goflags) {
        Some(words) => words
            .into_iter()
            .filter(|word| !is_of_linker(word))
            .flat_map(|word| [word, vec![0]])
            .flatten()
            .collect::<Vec<_>>()
            .into(),
        None => goflags.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(value: &str, counts_seed: bool) -> String {
        let outputs = OwnOutputs::named(&[("out", "/nix/store/own-out"), ("lib", "/nix/store/own-lib")]);
        String::from_utf8(without_own_paths(value.as_bytes(), &outputs, counts_seed).into_owned()).unwrap()
    }

    #[test]
    fn only_search_paths_of_libraries_and_the_seed_lose_the_outputs_path() {
        for (value, expected) in [
            ("-rpath /nix/store/own-out/lib -L/x", "-rpath @own@/lib -L/x"),
            ("-L/nix/store/own-lib/lib64  -O2", "-L@own@/lib64  -O2"),
            (
                "-Wl,-rpath,/nix/store/own-out/lib32\n-rpath=/nix/store/own-out/lib",
                "-Wl,-rpath,@own@/lib32\n-rpath=@own@/lib",
            ),
            ("-frandom-seed=abc -O2", "-frandom-seed= -O2"),
            (
                "-L/nix/store/own-out/lib/x -L/nix/store/own-outer/lib",
                "-L/nix/store/own-out/lib/x -L/nix/store/own-outer/lib",
            ),
            ("-rpath -O2 /nix/store/own-out/lib", "-rpath -O2 /nix/store/own-out/lib"),
            (
                "-DX=/nix/store/own-out/lib -I/nix/store/own-out/lib",
                "-DX=/nix/store/own-out/lib -I/nix/store/own-out/lib",
            ),
            ("-L/nix/store/own-out/share", "-L/nix/store/own-out/share"),
            ("  ", "  "),
        ] {
            assert_eq!(compared(value, false), expected);
        }
        assert_eq!(compared("-frandom-seed=abc", true), "-frandom-seed=abc");
    }

    #[test]
    fn the_linkers_flags_are_left_out() {
        let of = |goflags: &'static str| without_ldflags(goflags.as_bytes());
        assert_eq!(of("-mod=mod '-ldflags=-X a.v=1'"), of("-mod=mod --ldflags=-s"));
        assert_ne!(of("-mod=mod"), of("-mod=mod -tags=ldflags=1"));
        assert_ne!(of("-a=1 -b"), of("'-a=1 -b'"));
    }
}
