//! Checks the files and directories for the sandbox, and makes the text for Nix. A source that Nix cannot mount ends the user's
//! `nix build`, and a client that cannot start ends every go command: so nothing is offered that fails a check.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use proto::control::{FORMER_GO_ENV, GO_ENV, MOUNT, MOUNTED_CLIENT, MOUNTED_GO_ENV, MOUNTED_MODPROXY};
use rustix::fs::{StatVfsMountFlags, statvfs};

/// Why a file or directory cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum SandboxPathError {
    /// The client cannot be run by a build.
    #[error("{} cannot be offered as the client: {why}; set NIX_GOCACHEPROG_CLIENT to another one", path.display())]
    Client {
        /// The client.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The daemon's directory cannot be mounted.
    #[error("{} cannot be mounted: {why}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The `go/env` cannot be mounted.
    #[error("{} cannot be mounted as go/env: {why}", path.display())]
    GoEnv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The real path of a program that a build can run: a regular file that all users may read and execute, on a file system that
/// allows it. (A state directory is often mounted noexec: a client there makes every go command fail.)
pub(crate) fn runnable(path: &Path) -> Result<PathBuf, SandboxPathError> {
    let refuse = |why: &str| SandboxPathError::Client { path: path.to_owned(), why: why.to_owned() };
    // A mounted symlink stays a symlink in the sandbox, where its target does not exist.
    let real = fs::canonicalize(path).map_err(|e| refuse(&e.to_string()))?;
    let metadata = fs::metadata(&real).map_err(|e| refuse(&e.to_string()))?;
    if !metadata.is_file() || metadata.mode() & 0o555 != 0o555 {
        return Err(refuse("not a program that all users may read and execute"));
    }
    let flags = statvfs(&real).map_err(|e| refuse(&e.to_string()))?.f_flag;
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        return Err(refuse("its file system is mounted noexec"));
    }
    one_line(&real).and_then(|_| reachable(&real)).map_err(|why| refuse(&why))?;
    Ok(real)
}

/// The text for Nix, with `more` lines. An empty line ends it, so that another hook's output can follow.
pub(crate) fn sandbox_paths(directory: &Path, client: &Path, more: &str) -> Result<String, SandboxPathError> {
    let refuse = |why: String| SandboxPathError::Directory { path: directory.to_owned(), why };
    let socket = fs::symlink_metadata(directory.join("sock")).map_err(|e| refuse(e.to_string()))?;
    if !socket.file_type().is_socket() {
        return Err(refuse("there is no socket in it".to_owned()));
    }
    reachable(directory).map_err(refuse)?;
    let (directory, client) = (one_line(directory).map_err(refuse)?, client.display());
    Ok(format!("extra-sandbox-paths\n{MOUNT}={directory}\n{MOUNTED_CLIENT}={client}\n{more}\n"))
}

/// The line for the module proxy, where it is installed.
pub(crate) fn modproxy(path: &Path) -> Option<String> {
    runnable(path).ok().map(|path| format!("{MOUNTED_MODPROXY}={}\n", path.display()))
}

/// The line for a `go/env` with which every go command uses the cache.
pub(crate) fn go_env(path: &Path) -> Result<String, SandboxPathError> {
    let real = check_go_env(path)?;
    let line = reachable(&real).and_then(|()| one_line(&real)).map(|path| format!("{MOUNTED_GO_ENV}={path}\n"));
    line.map_err(|why| SandboxPathError::GoEnv { path: path.to_owned(), why })
}

/// The real path of a `go/env` with the expected content and nothing else: other settings in it would change builds that did not
/// opt in.
pub(crate) fn check_go_env(path: &Path) -> Result<PathBuf, SandboxPathError> {
    let refuse = |why: String| SandboxPathError::GoEnv { path: path.to_owned(), why };
    let real = fs::canonicalize(path).map_err(|e| refuse(e.to_string()))?;
    let metadata = fs::metadata(&real).map_err(|e| refuse(e.to_string()))?;
    let known = [GO_ENV, FORMER_GO_ENV].into_iter().find(|text| text.len() as u64 == metadata.len());
    let known = known.filter(|_| metadata.is_file() && metadata.mode() & 0o444 == 0o444);
    let text = known.map(|_| fs::read(&real)).transpose().map_err(|e| refuse(e.to_string()))?;
    if text.is_none() || text.as_deref() != known.map(str::as_bytes) {
        return Err(refuse(format!(
            "not a file that all users may read, with the single line `{}`",
            GO_ENV.trim_end()
        )));
    }
    Ok(real)
}

/// Nix mounts from a user namespace in which root has no power over other users' directories: below one of them that is
/// closed to others it is refused, while root's own and its user's own may be closed (docs/facts/nix.md, "Mounts").
fn reachable(path: &Path) -> Result<(), String> {
    let own = rustix::process::geteuid().as_raw();
    for dir in path.ancestors().skip(1) {
        let metadata = fs::metadata(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        if metadata.mode() & 0o001 == 0 && metadata.uid() != 0 && metadata.uid() != own {
            return Err(format!(
                "{} is closed to other users; run `chmod o+x` on it, or use another directory",
                dir.display()
            ));
        }
    }
    Ok(())
}

/// Nix reads one path per line, without quoting.
fn one_line(path: &Path) -> Result<&str, String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r']) && text.starts_with('/'));
    text.ok_or_else(|| "its path cannot be passed to Nix: it is not absolute, or not a single line of text".to_owned())
}
