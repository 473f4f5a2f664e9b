//! Whether the go command reads the sources of its toolchain. With `-overlay` it reads other files in their place. The key of an
//! index has only names, sizes and mtimes of these (cmd/go/internal/fsys, cmd/go/internal/modindex/read.go `dirHash`,
//! Go 1.21-1.27), which may be the same.

use std::fs;
use std::path::Path;

use crate::parent_process::parent_file;

/// The flag, in arguments and in `GOFLAGS`.
const FLAG: &[u8] = b"-overlay";

/// Whether our parent is the go command of this toolchain and has no overlay, neither in its arguments nor in `GOFLAGS`. It
/// exports `GOFLAGS` to us in any case, also from a file (cmd/go/internal/envcmd `MkEnv`, cmd/go/main.go). False where it
/// cannot be told.
pub(crate) fn reads_goroot(goroot: &Path, goflags: Option<&Path>) -> bool {
    let exe = parent_file("exe").and_then(|path| fs::read_link(path).ok());
    let line = parent_file("cmdline").and_then(|path| fs::read(path).ok());
    exe.is_some_and(|exe| goroot.is_absolute() && exe.starts_with(goroot))
        && line.is_some_and(|line| !line.is_empty() && !has_flag(&line))
        && !goflags.is_some_and(|flags| has_flag(flags.as_os_str().as_encoded_bytes()))
}

fn has_flag(text: &[u8]) -> bool {
    text.windows(FLAG.len()).any(|window| window == FLAG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_go_command_of_the_toolchain_without_an_overlay_reads_its_sources() {
        let root = Path::new("/"); // the program that runs the tests is below it
        assert!(reads_goroot(root, None));
        assert!(reads_goroot(root, Some("-trimpath".as_ref())));
        assert!(!reads_goroot(Path::new(""), None));
        assert!(!reads_goroot(Path::new("/nix"), None));
        assert!(!reads_goroot(root, Some("-trimpath --overlay=/x".as_ref())));
    }

    #[test]
    fn an_overlay_is_found_among_the_arguments() {
        assert!(has_flag(b"go\0build\0-overlay\0/x\0"));
        assert!(!has_flag(b"go\0build\0./overlay\0"));
    }
}
