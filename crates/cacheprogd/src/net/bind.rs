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

use rustix::fs::{FileType, Mode, OFlags, fstat};

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
    set_mode(&temporary, mode)?;
    #[expect(clippy::disallowed_methods, reason = "a socket is published by a rename, like everything else")]
    fs::rename(&temporary, dir.join(name))?;
    nonblocking(listener)
}

/// Sets the mode of a socket. A build under our own user, whose directory it may be in, could put a link in its place: that is not
/// followed.
fn set_mode(socket: &Path, mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::open(socket, flags, Mode::empty())?;
    if !FileType::from_raw_mode(fstat(&handle)?.st_mode).is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something else than a socket"));
    }
    fs::set_permissions(format!("/proc/self/fd/{}", handle.as_raw_fd()), Permissions::from_mode(mode))
}

/// The accept loop accepts until no connection waits.
pub(crate) fn nonblocking(listener: UnixListener) -> io::Result<UnixListener> {
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_place_of_a_socket_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (secret, link) = (dir.path().join("secret"), dir.path().join("sock"));
        fs::write(&secret, "").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        let outcomes = [&link, &secret].map(|path| set_mode(path, EVERYONE).is_err());
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(outcomes, [true, true]);
        let _listener = bind(&dir.path().join("other"), EVERYONE).unwrap();
        assert_eq!(fs::metadata(dir.path().join("other")).unwrap().permissions().mode() & 0o777, EVERYONE);
    }
}
