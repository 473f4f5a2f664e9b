//! The sockets that a daemon starts with: the control socket, the status socket for everyone, and the host's. They come from
//! systemd or are bound here (bind.rs).
//!
//! The sockets of builds are bound when a build is registered (builds/registry.rs).

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use super::bind::{EVERYONE, OWNER, bind, nonblocking};
use super::inherited_fds;
use crate::error::CommandError;

/// Name of the host's socket among systemd's (`FileDescriptorName=` in nixos/units.nix).
const HOST: &str = "host";
/// Name of the status socket among systemd's (`FileDescriptorName=`), and of its file where we bind it.
const STATUS: &str = "status";
const STATUS_FILE: &str = "status.sock";

/// What a control connection may ask, by the socket that accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SocketRole {
    /// The control socket: root and the daemon's own user register builds and ask.
    Control,
    /// The status socket: everyone may ask, and is told nothing that leads to a live build.
    Status,
    /// The status socket of systemd, which the settings have switched off: each request is refused.
    StatusDisabled,
}

/// A socket that others find by its path.
#[derive(Debug)]
pub(crate) struct PublicSocket {
    pub(crate) listener: UnixListener,
    /// Where we bound it, and as which inode; `None` where systemd did.
    bound: Option<(PathBuf, u64)>,
}

/// The sockets that a daemon starts with.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// For the hook and the command line.
    pub(crate) control: PublicSocket,
    /// For everyone who asks, with its role.
    pub(crate) status: Option<(PublicSocket, SocketRole)>,
    /// For go commands outside of sandboxes, if they are served.
    pub(crate) host: Option<PublicSocket>,
}

/// Where the status socket is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatusSocket {
    /// Where systemd has it, else beside the control socket that we bind.
    Default,
    At(PathBuf),
    Disabled,
}

impl PublicSocket {
    /// Removes the socket, if it is ours and no other daemon has put its own there.
    fn unlink(&self) {
        if let Some((path, inode)) = &self.bound
            && fs::symlink_metadata(path).is_ok_and(|m| m.ino() == *inode)
        {
            // The next daemon replaces it anyway.
            drop(fs::remove_file(path));
        }
    }

    fn inherited(fd: OwnedFd) -> Result<Self, CommandError> {
        let listener = nonblocking(fd.into()).map_err(CommandError::Inherited)?;
        Ok(Self { listener, bound: None })
    }

    fn bind(path: &Path, mode: u32) -> Result<Self, CommandError> {
        let listen = || {
            if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
                fs::create_dir_all(dir)?;
            }
            let listener = bind(path, mode)?;
            Ok(Self { listener, bound: Some((path.to_owned(), fs::symlink_metadata(path)?.ino())) })
        };
        listen().map_err(|source| CommandError::Listen { path: path.to_owned(), source })
    }
}

impl Listeners {
    /// Takes systemd's sockets, where it handed them over, else binds them at these paths.
    pub(crate) fn open(
        control: Option<&Path>,
        status: &StatusSocket,
        host: Option<&Path>,
    ) -> Result<Self, CommandError> {
        let inherited = inherited_fds::take().map_err(CommandError::Inherited)?;
        let (mut host_fds, others): (Vec<_>, Vec<_>) = inherited.into_iter().partition(|(_, name)| name == HOST);
        let (mut status_fds, mut control_fds): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|(_, name)| name == STATUS);
        let beside_control = control.filter(|_| control_fds.is_empty()).map(|path| path.with_file_name(STATUS_FILE));
        let status = open_status(status, status_fds.pop().map(|(fd, _)| fd), beside_control)?;
        let host = match (host_fds.pop(), host) {
            (Some((fd, _)), _) => Some(PublicSocket::inherited(fd)?),
            (None, Some(path)) => Some(PublicSocket::bind(path, EVERYONE)?),
            (None, None) => None,
        };
        // The control socket is the last one: a peer that finds it finds the others.
        let control = match (control_fds.pop(), control) {
            (Some((fd, _)), _) => PublicSocket::inherited(fd)?,
            // Other users are refused by their credentials as well; the mode keeps their attempts out of the log.
            (None, Some(path)) => PublicSocket::bind(path, OWNER)?,
            (None, None) => return Err(CommandError::NoSocket),
        };
        Ok(Self { control, status, host })
    }

    /// Whether systemd has the control socket, and starts a daemon for the next connection.
    pub(crate) fn are_inherited(&self) -> bool {
        self.control.bound.is_none()
    }

    /// Removes those that we bound.
    pub(crate) fn unlink(&self) {
        self.control.unlink();
        for other in self.status.iter().map(|(status, _)| status).chain(&self.host) {
            other.unlink();
        }
    }
}

fn open_status(
    setting: &StatusSocket,
    inherited: Option<OwnedFd>,
    beside_control: Option<PathBuf>,
) -> Result<Option<(PublicSocket, SocketRole)>, CommandError> {
    Ok(match (setting, inherited, beside_control) {
        (StatusSocket::Disabled, None, _) | (StatusSocket::Default, None, None) => None,
        // systemd has it open all the same: a peer has to be told.
        (StatusSocket::Disabled, Some(fd), _) => Some((PublicSocket::inherited(fd)?, SocketRole::StatusDisabled)),
        (setting, Some(fd), _) => {
            if let StatusSocket::At(path) = setting {
                let path = path.display();
                log::warn!(
                    "ignoring status-socket = \"{path}\": systemd's nix-gocacheprog-status.socket is used; change ListenStream there"
                );
            }
            Some((PublicSocket::inherited(fd)?, SocketRole::Status))
        }
        (StatusSocket::At(path), None, _) => Some((PublicSocket::bind(path, EVERYONE)?, SocketRole::Status)),
        (StatusSocket::Default, None, Some(path)) => Some((PublicSocket::bind(&path, EVERYONE)?, SocketRole::Status)),
    })
}
