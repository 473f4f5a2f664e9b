//! The process that started us, as `/proc` shows it: a go command, with its toolchain.

use std::fs;
use std::path::{Path, PathBuf};

use proto::wire::Toolchain;

/// The parent's file of this name in `/proc`.
pub(crate) fn parent_file(name: &str) -> Option<PathBuf> {
    rustix::process::getppid().map(|pid| format!("/proc/{}/{name}", pid.as_raw_nonzero()).into())
}

/// The toolchain of the go command that started us. cmd/go exports `GOROOT` to its cache program (cmd/go/internal/cfg
/// `SetGOROOT`, Go 1.21-1.27); the go command itself is the parent process.
pub(crate) fn toolchain(goroot: Option<&Path>, gotooldir: Option<&Path>) -> Toolchain {
    let text = |path: PathBuf| path.into_os_string().to_string_lossy().into_owned();
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let goroot = goroot.map(real).unwrap_or_default();
    let go = parent_file("exe").and_then(|exe| fs::read_link(exe).ok()).unwrap_or_default();
    let go = if goroot != Path::new("") && go.starts_with(&goroot) { PathBuf::new() } else { go };
    let gotooldir = gotooldir.map(real).map(text).unwrap_or_default();
    Toolchain { goroot: text(goroot), gotooldir, go: text(go), content: String::new() }
}
