//! Binding a unix socket at a path: the first time, and again in the place of the socket of an earlier daemon, without a gap in
//! which there is none.
//!
//! What the socket is for is the caller's part.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The mode of a socket to which every user may connect.
pub(crate) const EVERYONE: u32 = 0o666;

/// The mode of a socket to which only root and the daemon's own user may connect.
pub(crate) const OWNER: u32 = 0o600;

/// A build's socket in its directory. The build reaches it through its mount, so everyone may connect.
pub(crate) fn build_socket(view: &Path) -> io::Result<UnixListener> {
    bind(&view.join("sock"), EVERYONE)
}

/// Binds under another name first and renames, so that the new socket replaces the earlier one at once and is never seen with
/// another mode. An address holds 108 bytes (`unix(7)`) and a path may be longer: the directory is named by a descriptor.
///
/// # Errors
/// Where there is something else than a socket, or the system refuses.
pub(crate) fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a socket needs a directory and a name"));
    };
    if fs::symlink_metadata(path).is_ok_and(|m| !m.file_type().is_socket()) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a socket"));
    }
    let handle = File::open(if dir.as_os_str().is_empty() { Path::new(".") } else { dir })?;
    let dir = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let temporary = dir.join(".sock.new");
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {} // left by a daemon that was killed here
    }
    let listener = UnixListener::bind(&temporary)?;
    fs::set_permissions(&temporary, Permissions::from_mode(mode))?;
    #[expect(clippy::disallowed_methods, reason = "a socket is published by a rename, like everything else")]
    fs::rename(&temporary, dir.join(name))?;
    nonblocking(listener)
}

/// The accept loop accepts until no connection waits.
pub(crate) fn nonblocking(listener: UnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}
