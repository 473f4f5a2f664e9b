//! Binding sockets: the control socket, the one for everyone, the host's, and each build's own.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::control::Door;
use crate::error::CommandError;
use crate::fds;

/// Name of the host's socket among systemd's (`FileDescriptorName=` in nixos/units.nix).
const HOST: &str = "host";
/// Name of the socket for everyone among systemd's (`FileDescriptorName=`), and of its file where we make it.
const STATUS: &str = "status";
const STATUS_FILE: &str = "status.sock";

/// A socket that others find by its path.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) listener: UnixListener,
    /// Where we made it, and as which inode; `None` where systemd did.
    made: Option<(PathBuf, u64)>,
}

/// The sockets that a daemon begins with.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// For the hook and the command line.
    pub(crate) control: Public,
    /// For everyone who asks, and what they may.
    pub(crate) status: Option<(Public, Door)>,
    /// For go commands outside of sandboxes, if they are served.
    pub(crate) host: Option<Public>,
}

/// Where the socket for everyone is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Status {
    /// Where systemd has it, else beside the control socket that we make.
    Usual,
    At(PathBuf),
    Nowhere,
}

impl Public {
    /// Removes the socket, if it is ours and no other daemon has put its own there.
    fn unlink(&self) {
        if let Some((path, inode)) = &self.made
            && fs::symlink_metadata(path).is_ok_and(|m| m.ino() == *inode)
        {
            // The next daemon replaces it anyway.
            drop(fs::remove_file(path));
        }
    }

    fn inherited(fd: OwnedFd) -> Result<Self, CommandError> {
        let listener = prepare(fd.into()).map_err(CommandError::Inherited)?;
        Ok(Self { listener, made: None })
    }

    fn made(path: &Path, mode: u32) -> Result<Self, CommandError> {
        let listen = || {
            if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
                fs::create_dir_all(dir)?;
            }
            let listener = bind(path, mode)?;
            Ok(Self { listener, made: Some((path.to_owned(), fs::symlink_metadata(path)?.ino())) })
        };
        listen().map_err(|source| CommandError::Listen { path: path.to_owned(), source })
    }
}

impl Sockets {
    /// Takes systemd's sockets, where it handed them over, else makes them at these paths.
    pub(crate) fn take(control: Option<&Path>, status: &Status, host: Option<&Path>) -> Result<Self, CommandError> {
        let inherited = fds::inherited().map_err(CommandError::Inherited)?;
        let (mut hosts, others): (Vec<_>, Vec<_>) = inherited.into_iter().partition(|(_, name)| name == HOST);
        let (mut looks, mut controls): (Vec<_>, Vec<_>) = others.into_iter().partition(|(_, name)| name == STATUS);
        let beside = control.filter(|_| controls.is_empty()).map(|path| path.with_file_name(STATUS_FILE));
        let status = match (status, looks.pop(), beside) {
            (Status::Nowhere, None, _) | (Status::Usual, None, None) => None,
            // It is open all the same: who comes has to be told.
            (Status::Nowhere, Some((fd, _)), _) => Some((Public::inherited(fd)?, Door::Shut)),
            (asked, Some((fd, _)), _) => {
                if let Status::At(path) = asked {
                    log::warn!(
                        "no status socket at {}: systemd has one (nix-gocacheprog-status.socket)",
                        path.display()
                    );
                }
                Some((Public::inherited(fd)?, Door::Status))
            }
            (Status::At(path), None, _) => Some((Public::made(path, 0o666)?, Door::Status)),
            (Status::Usual, None, Some(path)) => Some((Public::made(&path, 0o666)?, Door::Status)),
        };
        let host = match (hosts.pop(), host) {
            (Some((fd, _)), _) => Some(Public::inherited(fd)?),
            (None, Some(path)) => Some(Public::made(path, 0o666)?),
            (None, None) => None,
        };
        // The last one: who finds it finds the others.
        let control = match (controls.pop(), control) {
            (Some((fd, _)), _) => Public::inherited(fd)?,
            // Whoever may not connect is refused by its credentials as well; 0600 keeps the curious out of the log.
            (None, Some(path)) => Public::made(path, 0o600)?,
            (None, None) => return Err(CommandError::NoSocket),
        };
        Ok(Self { control, status, host })
    }

    /// Whether systemd has the control socket, and hears whoever comes next.
    pub(crate) fn are_inherited(&self) -> bool {
        self.control.made.is_none()
    }

    /// Removes those that we made.
    pub(crate) fn unlink(&self) {
        self.control.unlink();
        for other in self.status.iter().map(|(status, _)| status).chain(&self.host) {
            other.unlink();
        }
    }
}

/// A build's socket in its directory. Builds reach it through their mount, so everyone may connect.
pub(crate) fn build(view: &Path) -> io::Result<UnixListener> {
    bind(&view.join("sock"), 0o666)
}

/// A socket that everyone may reach, whatever it is for.
pub(crate) fn everyones(path: &Path) -> io::Result<UnixListener> {
    bind(path, 0o666)
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
