//! Binding sockets: the control socket, the one for everyone, and each build's own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::error::CommandError;
use crate::fds;

/// A socket of the daemon's.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    /// Where we made it, and as which inode; `None` where systemd did.
    made: Option<(PathBuf, u64)>,
}

impl Socket {
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

/// The sockets that the daemon begins with.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) control: Socket,
    /// For everyone, if there is one.
    pub(crate) status: Option<Socket>,
}

/// What the status socket is called: by this it is told from the control socket where systemd hands over both.
const STATUS: &str = "status.sock";

/// Where the status socket is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Beside the control socket.
    Beside,
    At(PathBuf),
    Nowhere,
}

/// Takes systemd's sockets, if it handed some over, else makes them: the control socket at `path`.
pub(crate) fn sockets(path: Option<&Path>, status: &Status) -> Result<Sockets, CommandError> {
    let (mut control, mut looked_at) = (None, None);
    for fd in fds::inherited().map_err(CommandError::Inherited)? {
        let listener = prepare(fd.into()).map_err(CommandError::Inherited)?;
        let is_status = listener.local_addr().is_ok_and(|at| at.as_pathname().is_some_and(|p| p.ends_with(STATUS)));
        *(if is_status { &mut looked_at } else { &mut control }) = Some(Socket { listener, made: None });
    }
    let control = match control {
        Some(control) => control,
        // Whoever may not connect is refused by its credentials as well; 0600 keeps the curious out of the log.
        None => make(path.ok_or(CommandError::NoSocket)?, 0o600)?,
    };
    let beside = || path.map(|path| path.with_file_name(STATUS));
    let at = match status {
        Status::Nowhere => return Ok(Sockets { control, status: None }),
        Status::At(path) => Some(path.clone()),
        // Beside systemd's own there is no place for ours.
        Status::Beside => beside().filter(|_| control.made.is_some()),
    };
    let status = match (looked_at, at) {
        (Some(status), _) => Some(status),
        (None, at) => at.map(|path| make(&path, 0o666)).transpose()?,
    };
    Ok(Sockets { control, status })
}

fn make(path: &Path, mode: u32) -> Result<Socket, CommandError> {
    let listen = || {
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir)?;
        }
        let listener = bind(path, mode)?;
        Ok(Socket { listener, made: Some((path.to_owned(), fs::symlink_metadata(path)?.ino())) })
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
