//! The bytes that the settings allow for one day, in a file, so that they count over restarts.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use store::Store;

use super::kept_file;
use crate::mutex::lock;

const DAY: u64 = 24 * 3600;

/// See the file's header.
#[derive(Debug)]
pub(super) struct DailyBytes {
    most: Option<u64>,
    file: PathBuf,
    /// The day, since 1970 in UTC, and its bytes. Held while the file is written.
    used: Mutex<(u64, u64)>,
}

impl DailyBytes {
    pub(super) fn new(store: &Store, most: Option<u64>) -> Self {
        let file = store.root().join("remote").join("daily-bytes");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let read =
            || text.trim_end().split_once(' ').and_then(|(day, used)| Some((day.parse().ok()?, used.parse().ok()?)));
        let used = Mutex::new(read().unwrap_or_default());
        Self { most, file, used }
    }

    /// What the settings allow, where it is used up.
    pub(super) fn used_up(&self, now: SystemTime) -> Option<u64> {
        let used = *lock(&self.used);
        self.most.filter(|most| used.0 == day_at(used, now) && used.1 >= *most)
    }

    /// So many bytes were fetched or put.
    pub(super) fn add(&self, bytes: u64, now: SystemTime) {
        let mut used = lock(&self.used);
        let today = day_at(*used, now);
        let before = if used.0 == today { used.1 } else { 0 };
        *used = (today, before.saturating_add(bytes));
    }

    /// Writes the file.
    pub(super) fn keep(&self, store: &Store) {
        if self.most.is_none() {
            return;
        }
        let used = lock(&self.used); // until the file is written: one with fewer bytes must not come last
        let (day, bytes) = *used;
        let text = format!("{day} {bytes}\n");
        if let Err(e) = kept_file::write(store, &self.file, text.as_bytes()) {
            log::warn!("{}: {e}: a restart forgets the bytes since the last time", self.file.display());
        }
    }
}

/// The day. One before that which was noted counts as that one: a clock that was set back gives no bytes. More than a day before, the clock was wrong
/// then.
fn day_at((noted, _): (u64, u64), now: SystemTime) -> u64 {
    let today = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY;
    if today + 1 == noted { noted } else { today }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use store::Access;

    #[test]
    fn what_several_threads_keep_at_once_is_all_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        let daily = DailyBytes::new(&store, Some(1000));
        let in_file = || *lock(&DailyBytes::new(&store, Some(1000)).used);
        let count = || {
            for _ in 0..50 {
                daily.add(1, UNIX_EPOCH + Duration::from_secs(DAY));
                let least = *lock(&daily.used);
                daily.keep(&store);
                assert!(in_file() >= least);
            }
        };
        std::thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(count))));
        assert_eq!(in_file(), (1, 400));
    }

    #[test]
    fn a_day_has_so_many_bytes_also_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let daily = DailyBytes::new(&store, Some(10));
        daily.add(9, at(5 * DAY));
        assert_eq!(daily.used_up(at(5 * DAY)), None);
        daily.add(1, at(6 * DAY - 1));
        daily.keep(&store);
        let daily = DailyBytes::new(&store, Some(10));
        let times = [6 * DAY - 1, 6 * DAY, 4 * DAY, 3 * DAY];
        let expected = [Some(10), None, Some(10), None];
        assert_eq!(times.map(|time| daily.used_up(at(time))), expected, "a clock that was set back gives no bytes");
        daily.add(9, at(6 * DAY));
        assert_eq!(daily.used_up(at(6 * DAY)), None, "each day begins with none");
        let unlimited = DailyBytes::new(&store, None);
        unlimited.add(u64::MAX, at(6 * DAY));
        assert_eq!(unlimited.used_up(at(6 * DAY)), None);
    }
}
