//! What is offered to the build: checked first, since a source that Nix cannot mount ends the user's `nix build`, and a
//! client that cannot start ends every go command.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use proto::control::{GO_ENV, MOUNT, MOUNTED_CLIENT, MOUNTED_GO_ENV, MOUNTED_MODPROXY};
use rustix::fs::{StatVfsMountFlags, statvfs};

/// What is wrong with what would be offered.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The client cannot be run by a build.
    #[error("{} cannot be offered as the client: {why}; set NIX_GOCACHEPROG_CLIENT to one that can", path.display())]
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
    /// What every go command would be told cannot be.
    #[error("{} cannot be mounted as go/env: {why}", path.display())]
    GoEnv {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// A program's real path, if a build can run it: a regular file that all may read and run, on a file system that runs
/// programs (a state directory often does not: a client there is "permission denied" to go, which is fatal).
pub(crate) fn usable(path: &Path) -> Result<PathBuf, OfferError> {
    let refuse = |why: &str| OfferError::Client { path: path.to_owned(), why: why.to_owned() };
    // A mounted symlink stays a symlink in the sandbox, where it leads nowhere.
    let real = fs::canonicalize(path).map_err(|e| refuse(&e.to_string()))?;
    let metadata = fs::metadata(&real).map_err(|e| refuse(&e.to_string()))?;
    if !metadata.is_file() || metadata.mode() & 0o555 != 0o555 {
        return Err(refuse("not a program that everyone may read and run"));
    }
    let flags = statvfs(&real).map_err(|e| refuse(&e.to_string()))?.f_flag;
    if flags.contains(StatVfsMountFlags::NOEXEC) {
        return Err(refuse("it lies on a file system mounted noexec"));
    }
    one_line(&real).and_then(|_| reachable(&real)).map_err(|why| refuse(&why))?;
    Ok(real)
}

/// The text for Nix, with `more` lines, ended with an empty one so that another hook's output can follow.
pub(crate) fn paths(directory: &Path, client: &Path, more: &str) -> Result<String, OfferError> {
    let refuse = |why: String| OfferError::Directory { path: directory.to_owned(), why };
    let socket = fs::symlink_metadata(directory.join("sock")).map_err(|e| refuse(e.to_string()))?;
    if !socket.file_type().is_socket() {
        return Err(refuse("there is no socket in it".to_owned()));
    }
    reachable(directory).map_err(refuse)?;
    let (directory, client) = (one_line(directory).map_err(refuse)?, client.display());
    Ok(format!("extra-sandbox-paths\n{MOUNT}={directory}\n{MOUNTED_CLIENT}={client}\n{more}\n"))
}

/// The line for the module proxy, if it is there.
pub(crate) fn modproxy(path: &Path) -> Option<String> {
    usable(path).ok().map(|path| format!("{MOUNTED_MODPROXY}={}\n", path.display()))
}

/// The line for a `go/env` that tells every go command of the cache.
pub(crate) fn go_env(path: &Path) -> Result<String, OfferError> {
    let real = check_go_env(path)?;
    let line = reachable(&real).and_then(|()| one_line(&real)).map(|path| format!("{MOUNTED_GO_ENV}={path}\n"));
    line.map_err(|why| OfferError::GoEnv { path: path.to_owned(), why })
}

/// The real path of a `go/env` that says just what it has to: whatever else it said would be so for derivations that know
/// nothing of us.
pub(crate) fn check_go_env(path: &Path) -> Result<PathBuf, OfferError> {
    let refuse = |why: String| OfferError::GoEnv { path: path.to_owned(), why };
    let real = fs::canonicalize(path).map_err(|e| refuse(e.to_string()))?;
    let metadata = fs::metadata(&real).map_err(|e| refuse(e.to_string()))?;
    let may_be = metadata.is_file() && metadata.mode() & 0o444 == 0o444 && metadata.len() == GO_ENV.len() as u64;
    if !may_be || fs::read(&real).map_err(|e| refuse(e.to_string()))? != GO_ENV.as_bytes() {
        return Err(refuse(format!("not a file that everyone may read with the one line `{}`", GO_ENV.trim_end())));
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
            return Err(format!("{} is closed to other users; `chmod o+x` it, or use another place", dir.display()));
        }
    }
    Ok(())
}

/// Nix takes a line a path, without any quoting.
fn one_line(path: &Path) -> Result<&str, String> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r']) && text.starts_with('/'));
    text.ok_or_else(|| "its path cannot be told to Nix: not absolute, or not one line of text".to_owned())
}
