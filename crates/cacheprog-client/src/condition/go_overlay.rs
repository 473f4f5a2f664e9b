//! Whether the go command reads its toolchain's sources where they are. With `-overlay` it reads other files in their stead, of
//! which the key of an index knows names, sizes and mtimes only (cmd/go/internal/fsys, cmd/go/internal/modindex/read.go
//! `dirHash`, Go 1.21-1.27), and those may be the same.

use std::fs;
use std::path::Path;

use crate::environment::of_parent;

/// The flag, wherever flags are given.
const FLAG: &[u8] = b"-overlay";

/// Whether our parent is the go command of this toolchain, and was given no overlay: not by its arguments, and not by `GOFLAGS`, which
/// it exports to us wherever it has it from (cmd/go/internal/envcmd `MkEnv`, cmd/go/main.go). In doubt it was.
pub(crate) fn reads_goroot(goroot: &Path, goflags: Option<&Path>) -> bool {
    let exe = of_parent("exe").and_then(|path| fs::read_link(path).ok());
    let line = of_parent("cmdline").and_then(|path| fs::read(path).ok());
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
        let root = Path::new("/"); // whoever runs the tests is below
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
