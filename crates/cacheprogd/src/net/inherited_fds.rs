//! Descriptors that systemd handed to this process: the only `unsafe` of the workspace.
//!
//! Which socket is which, listeners.rs decides by their names.
#![expect(unsafe_code, reason = "an inherited descriptor is a number: its owner cannot be proved to the compiler")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The sockets of our socket units with their names (`sd_listen_fds_with_names(3)`), each owned now. Call once.
///
/// # Errors
/// Where the environment's values make no sense.
pub(crate) fn take() -> io::Result<Vec<(OwnedFd, String)>> {
    let fds = sd_notify::listen_fds_with_names()?;
    // SAFETY: systemd opened these numbers for this process (LISTEN_PID is ours, which sd_notify checks) and nothing else
    // here uses them: this is called once, before any other descriptor is taken from outside.
    Ok(fds.map(|(fd, name)| (unsafe { OwnedFd::from_raw_fd(fd) }, name)).collect())
}
