//! Notifies systemd of the daemon's state (`sd_notify(3)`): ready, alive, stopping. Without systemd it does nothing.
//!
//! The sockets that systemd hands over are `net/inherited_fds.rs`'s.

use sd_notify::NotifyState;

/// Sends these states; a failure is a line in the log.
pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(e) = sd_notify::notify(states) {
        log::warn!("cannot notify systemd: {e}");
    }
}
