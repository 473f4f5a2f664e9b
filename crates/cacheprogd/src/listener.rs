//! Binding sockets: the control socket, and each build's own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::fds;

/// The control socket.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) listener: UnixListener,
    /// Where we made it, and as which inode; `None` where systemd did.
    made: Option<(PathBuf, u64)>,
}

impl Control {
    /// Removes the socket, if it is ours and no other daemon has put its own there.
    pub(crate) fn unlink(&self) {
        if let Some((path, inode)) = &self.made
            && fs::symlink_metadata(path).is_ok_and(|m| m.ino() == *inode)
        {
            // The next daemon replaces it anyway.
            drop(fs::remove_file(path));
        }
    }
}

/// Takes systemd's control socket, if it handed one over, else makes one at `path`.
pub(crate) fn control(path: Option<&Path>) -> Result<Control, CommandError> {
    let mut inherited = fds::inherited().map_err(CommandError::Inherited)?;
    if let Some(fd) = inherited.pop() {
        let listener = prepare(fd.into()).map_err(CommandError::Inherited)?;
        return Ok(Control { listener, made: None });
    }
    let path = path.ok_or(CommandError::NoSocket)?;
    let listen = || {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir)?;
        }
        // Whoever may not connect is refused by its credentials as well; 0600 keeps the curious out of the log.
        let listener = bind(path, 0o600)?;
        Ok(Control { listener, made: Some((path.to_owned(), fs::symlink_metadata(path)?.ino())) })
    };
    listen().map_err(|source| CommandError::Listen { path: path.to_owned(), source })
}

/// A build's socket in its directory. Builds reach it through their mount, so everyone may connect.
pub(crate) fn build(view: &Path) -> io::Result<UnixListener> {
    bind(&view.join("sock"), 0o666)
}

/// Binds under another name first and renames, so that one socket takes the place of the last without a gap, and
/// nobody sees it with another mode. An address holds 108 bytes (`unix(7)`), a path may be longer: the directory is
/// named by a descriptor.
fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
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
    prepare(listener)
}

fn prepare(listener: UnixListener) -> io::Result<UnixListener> {
    // The loop accepts until there is nobody left.
    listener.set_nonblocking(true)?;
    Ok(listener)
}
