//! The bytes that the settings allow for one day, in a file, so that they count over restarts.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use proto::error::with_causes;
use store::Store;

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
        let (day, used) = *lock(&self.used);
        self.most.filter(|most| day == day_of(now) && used >= *most)
    }

    /// So many bytes were fetched or put.
    pub(super) fn add(&self, store: &Store, bytes: u64, now: SystemTime) {
        if self.most.is_none() || bytes == 0 {
            return;
        }
        let mut used = lock(&self.used);
        let today = day_of(now);
        let before = if used.0 == today { used.1 } else { 0 };
        *used = (today, before.saturating_add(bytes));
        let text = format!("{} {}\n", used.0, used.1);
        let made = self.file.parent().map_or(Ok(()), remote_sync::make_dir).map_err(|e| e.to_string());
        let written = made.and_then(|()| store.write_file(&self.file, text.as_bytes()).map_err(|e| with_causes(&e)));
        written.unwrap_or_else(|e| {
            log::warn!("{}: {e}: after a restart the day begins with what it had", self.file.display())
        });
    }
}

fn day_of(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use store::Access;

    #[test]
    fn a_day_has_so_many_bytes_also_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let daily = DailyBytes::new(&store, Some(10));
        daily.add(&store, 9, at(DAY));
        assert_eq!(daily.used_up(at(DAY)), None);
        daily.add(&store, 1, at(2 * DAY - 1));
        let daily = DailyBytes::new(&store, Some(10));
        assert_eq!([2 * DAY - 1, 2 * DAY].map(|time| daily.used_up(at(time))), [Some(10), None]);
        daily.add(&store, 9, at(2 * DAY));
        assert_eq!(daily.used_up(at(2 * DAY)), None, "each day begins with none");
        let unlimited = DailyBytes::new(&store, None);
        unlimited.add(&store, u64::MAX, at(2 * DAY));
        assert_eq!(unlimited.used_up(at(2 * DAY)), None);
    }
}
