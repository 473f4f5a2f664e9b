//! What may not have reached the disk: when a machine or a daemon stopped without warning, or a sync failed.
//!
//! ```text
//! doubt     the spans of time whose files are to be verified: see unsynced.rs. Each file made in one is read before it is served,
//!           unless it was read since
//! synced    seconds since 1970: what was written before is on the disk, or in such a span
//! boot      the kernel's id of the boot in which the store was last opened (only in a store without a daemon)
//! ```
//!
//! Linux reports a failed write once (`errseq_t`): a sync that succeeds after one that failed proves nothing about the files of
//! the failed one. So a span whose sync failed stays, and what was made in it is read back from the disk.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::blinded_table::revoke_tables;
use crate::dirs;
use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::object::atomic_rename::write_small;
use crate::unsynced::{self, EVERYTHING, Span, UnsyncedSpans, WriteBack};

/// A file is made before its bytes are written, as long as a body of 4 GiB takes, in seconds; and clocks are set.
const MARGIN: u64 = 300;

/// How the last daemon of a store stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// In order: all that it wrote is on the disk, or in a span that it has written down.
    Clean,
    /// Without that: it was killed, or the machine went down.
    Unclean,
}

/// Which files of a store are to be verified before they are served, and when the store was last synced. A file system may keep
/// a file's size and times and lose its bytes: each such file is read once, and its mtime shows that afterwards.
#[derive(Debug)]
pub struct Recovery {
    layout: Layout,
    unsynced: UnsyncedSpans,
}

impl Recovery {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, unsynced: UnsyncedSpans::default() }
    }

    pub(crate) fn unsynced(&self) -> &UnsyncedSpans {
        &self.unsynced
    }

    /// What was made in one of these spans of time (seconds since 1970, both ends included) may not have reached the disk: it is
    /// verified before it is served.
    pub fn mark_unsynced(&self, spans: &[(u64, u64)]) {
        let span = |&(since, until): &(u64, u64)| Span { since, until, write_back: WriteBack::Done };
        self.unsynced.replace("", spans.iter().map(span).collect());
    }

    /// A daemon starts: takes over the spans that were written down and, after an unclean shutdown, adds what was made since the
    /// last sync. `boot` is the kernel's id of this boot. After an unclean shutdown [`Recovery::sync`] is to follow: the machine
    /// may have gone on, and until one has succeeded each object is synced by itself.
    pub fn resume_after(&self, shutdown: Shutdown, boot: &str, now: SystemTime) {
        self.resume((shutdown == Shutdown::Unclean).then_some(WriteBack::Pending), boot, now);
        // Those of an earlier daemon, whose settings may have been others.
        self.revoke_tables();
    }

    /// A process opens a store without a daemon: adds what was made before this boot and after the last sync, since it is not
    /// known how the machine went down.
    ///
    /// # Errors
    /// A [`StoreError`] where that could not be written down. It holds for this process all the same, and the next process does it
    /// again; nothing may be recorded as synced before it succeeded.
    pub fn resume_since_boot(&self, boot: &str, now: SystemTime) -> Result<(), StoreError> {
        let path = self.layout.boot_file();
        let known = fs::read_to_string(&path).ok();
        let is_new_boot = known.as_deref() != Some(boot);
        // Without the file it is unknown too what this boot has written ([`Recovery::sync`]).
        let write_back = if known.is_some() { WriteBack::Done } else { WriteBack::Pending };
        let unclean = (is_new_boot && !dirs::is_empty(&self.layout.objects())).then_some(write_back);
        self.resume(unclean, boot, now);
        if unclean.is_some() {
            self.save()?;
        }
        if is_new_boot { self.write(&path, boot) } else { Ok(()) }
    }

    fn resume(&self, unclean: Option<WriteBack>, boot: &str, now: SystemTime) {
        let mut spans = self.saved_spans(boot);
        spans.extend(unclean.map(|write_back| self.since_last_sync(now, write_back)));
        self.unsynced.replace(boot, spans);
        self.unsynced.set_unsaved(unclean.is_some());
    }

    /// What tables name may be among what is to be verified: builds ask for it instead. Of a table that cannot be revoked the build has a
    /// link to the same bytes as before.
    fn revoke_tables(&self) {
        drop(revoke_tables(&self.layout));
    }

    /// The earliest time of which files are to be verified; `None` where no file is.
    #[must_use]
    pub fn verifies_since(&self) -> Option<SystemTime> {
        let since = self.unsynced.spans().iter().map(|span| span.since).min()?;
        UNIX_EPOCH.checked_add(Duration::from_secs(since))
    }

    /// Writes down what is to be verified, for the next process.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be written.
    pub fn save(&self) -> Result<(), StoreError> {
        self.unsynced.set_unsaved(false); // before they are read: should there be another one, it is saved next time
        let text = self.unsynced.to_text(inode(self.layout.root()).unwrap_or(0));
        let saved = self.write(&self.layout.unsynced_file(), &text);
        saved.inspect_err(|_| self.unsynced.set_unsaved(true))
    }

    /// Waits until all that was written before is on the disk, and writes down that it is. `syncfs` is what waits.
    ///
    /// Where it fails, what was made since the last sync is to be verified from then on.
    ///
    /// # Errors
    /// A [`StoreError`] where the disk refuses, or what is to be verified cannot be written down: then nothing is recorded as
    /// synced.
    pub fn sync(
        &self,
        now: impl Fn() -> SystemTime,
        syncfs: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        if self.unsynced.are_unsaved() {
            self.save()?;
        }
        let began = now();
        if let Err(e) = syncfs() {
            let failed = self.since_last_sync(now(), WriteBack::Pending);
            self.unsynced.change(|spans| [spans, vec![failed]].concat());
            self.revoke_tables();
            if self.save().is_err() {
                // A daemon saves them later. For other processes it is as if the machine had gone down, which needs no space.
                drop(fs::remove_file(self.layout.boot_file()));
            }
            return Err(StoreError::at("syncing", self.layout.root())(e));
        }
        if self.unsynced.spans().iter().any(|span| span.write_back == WriteBack::Pending) {
            let done = |span: Span| Span { write_back: WriteBack::Done, ..span };
            self.unsynced.change(|spans| spans.into_iter().map(done).collect());
            self.save()?;
        }
        self.write(&self.layout.synced_file(), &format!("{}\n", seconds(began)))
    }

    /// What was made since the last sync.
    fn since_last_sync(&self, now: SystemTime, write_back: WriteBack) -> Span {
        let synced = read_number(&self.layout.synced_file()).unwrap_or(0);
        let (since, until) = since_sync(synced, seconds(now));
        Span { since, until, write_back }
    }

    /// What was written down before: an object that was not asked for since was not verified. What cannot be read is everything.
    fn saved_spans(&self, boot: &str) -> Vec<Span> {
        match fs::read_to_string(self.layout.unsynced_file()) {
            Ok(text) => unsynced::parse(&text, boot, inode(self.layout.root())),
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            Err(_) => vec![EVERYTHING],
        }
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), StoreError> {
        write_small(self.layout.tmp(), path, text.as_bytes(), 0)
    }
}

/// From the last sync until now. A clock that went back, or is not set yet, says nothing.
fn since_sync(synced: u64, now: u64) -> (u64, u64) {
    if now < synced { (0, u64::MAX) } else { (synced.saturating_sub(MARGIN), now) }
}

fn inode(root: &Path) -> Option<u64> {
    fs::metadata(root).ok().map(|m| m.ino())
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::layout::Access;
    use crate::open;

    #[test]
    fn after_an_unclean_shutdown_nothing_counts_as_written_back_before_a_sync_has_succeeded() {
        let (dir, now) = (tempfile::tempdir().unwrap(), || UNIX_EPOCH + Duration::from_secs(1000));
        let recovery = Recovery::new(open::open(dir.path(), Access::Owner).unwrap().0);
        recovery.resume_after(Shutdown::Unclean, "boot", now());
        let write_back = || recovery.unsynced().spans().iter().map(|span| span.write_back).collect::<Vec<_>>();
        // The spans cannot be written down, so that nothing is synced either.
        fs::create_dir(dir.path().join("doubt")).unwrap();
        recovery.sync(now, || panic!("it is not asked for")).unwrap_err();
        assert_eq!(write_back(), [WriteBack::Pending]);
        fs::remove_dir(dir.path().join("doubt")).unwrap();
        recovery.sync(now, || Ok(())).unwrap();
        assert_eq!(write_back(), [WriteBack::Done]);
    }

    #[test]
    fn a_span_goes_from_before_the_last_sync_to_now() {
        assert_eq!(since_sync(1000, 2000), (700, 2000));
        assert_eq!(since_sync(1000, 999), (0, u64::MAX));
    }
}
