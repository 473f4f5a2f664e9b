//! Which programs of another protocol version were refused since the daemon started. The builds behind them go on without the cache, so
//! the status and the page show it. A client's version is its own claim; nothing is decided by it here.

use std::sync::Mutex;

use proto::control::{OtherVersion, Sender};

use crate::mutex::lock;

/// What was refused, one entry for each sender.
#[derive(Debug, Default)]
pub(crate) struct OtherVersions(Mutex<Vec<OtherVersion>>);

impl OtherVersions {
    /// A request of this version was refused, at `now` in seconds since 1970.
    pub(crate) fn note(&self, sender: Sender, version: u32, now: u64) {
        let mut all = lock(&self.0);
        let known = all.iter().position(|one| one.sender == sender);
        let times = known.map_or(0, |at| all.swap_remove(at).times);
        all.push(OtherVersion { sender, version, times: times + 1, last: now });
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<OtherVersion> {
        lock(&self.0).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sender_has_its_latest_version_and_a_count() {
        let seen = OtherVersions::default();
        seen.note(Sender::Client, 1, 10);
        seen.note(Sender::HookOrCommandLine, 2, 20);
        seen.note(Sender::Client, 4, 30);
        let of = |sender, version, times, last| OtherVersion { sender, version, times, last };
        assert_eq!(seen.all(), [of(Sender::HookOrCommandLine, 2, 1, 20), of(Sender::Client, 4, 2, 30)]);
    }
}
