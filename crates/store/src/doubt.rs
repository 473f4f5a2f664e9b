//! What may not have reached the disk: when a machine or a daemon stopped without warning, or a sync failed.
//!
//! ```text
//! doubt     the inode of the store's directory, then spans of time, a line each: what was made then is read before it is
//!           served, unless it was read since. In a copy of the store, where times of making say nothing, all is doubted.
//!           With the kernel's id of a boot after it, a sync of that span failed in that boot.
//! synced    seconds since 1970: what was written before is on the disk, or in such a span
//! boot      the kernel's id of the boot in which the store was last opened (one that no daemon has for itself)
//! ```
//!
//! Linux tells of a failed write once (`errseq_t`): a sync that succeeds after one that failed proves nothing of what that one was
//! about. So a span whose sync failed stays, and what was made in it is read back from the disk.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Store, StoreError};

/// A file is made before its bytes are written, as long as a body of 4 GiB takes, in seconds; and clocks are set.
const MARGIN: u64 = 300;

/// Spans that are remembered.
const MOST: usize = 100;

/// When files were made that may not have reached the disk: a file system may keep a file's size and times and lose its bytes. Each
/// such file is read once before it is served, and given another seal, which says so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubt(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// The kernel's id of this boot; empty where nobody said.
    boot: String,
    /// Held for one look or one change.
    spans: RwLock<Vec<Span>>,
    /// They are not written down yet.
    are_unsaved: AtomicBool,
}

/// Seconds since 1970, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    since: u64,
    until: u64,
    written: Written,
}

/// Whether the kernel has written back what was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Written {
    /// It has, well or badly: it was made before this boot, or a sync has succeeded since.
    Back,
    /// It may still be about to: the latest sync failed.
    Perhaps,
}

impl Doubt {
    fn of(boot: &str, spans: Vec<Span>) -> Self {
        Self(Arc::new(Shared { boot: boot.to_owned(), spans: RwLock::new(merged(spans)), ..Shared::default() }))
    }

    /// Whether a file is in doubt, by the time at which it was made, which links do not change. Where a file system does not keep
    /// that, by the last change, which only moves on.
    pub(crate) fn covers(&self, metadata: &fs::Metadata) -> Option<Written> {
        let spans = self.0.spans.read().unwrap_or_else(PoisonError::into_inner);
        if spans.is_empty() {
            return None;
        }
        let made = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let is_in = |span: &&Span| match made {
            Some(made) => (span.since..=span.until).contains(&made.as_secs()),
            None => u64::try_from(metadata.ctime()).is_ok_and(|changed| changed >= span.since),
        };
        spans.iter().filter(is_in).map(|span| span.written).max()
    }

    fn spans(&self) -> Vec<Span> {
        self.0.spans.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(Vec<Span>) -> Vec<Span>) {
        let mut spans = self.0.spans.write().unwrap_or_else(PoisonError::into_inner);
        let changed = merged(change(std::mem::take(&mut *spans)));
        *spans = changed;
        self.0.are_unsaved.store(true, Relaxed);
    }
}

impl Store {
    /// What was made in one of these spans of time (seconds since 1970, both ends included) may not have reached the disk: it is
    /// read before it is served.
    #[must_use]
    pub fn doubting(mut self, spans: &[(u64, u64)]) -> Self {
        let span = |&(since, until): &(u64, u64)| Span { since, until, written: Written::Back };
        self.layout.set_doubt(Doubt::of("", spans.iter().map(span).collect()));
        self
    }

    /// Doubts what was doubted before, and, where the last stop was `unclean`, what was made since the last sync. `boot` is the
    /// kernel's id of this boot. Whoever says unclean does well to [`Store::sync`] first: the machine may have gone on, and until
    /// one has succeeded each object is brought to the disk by itself.
    #[must_use]
    pub fn doubting_again(mut self, unclean: bool, boot: &str, now: SystemTime) -> Self {
        self.doubt_again(unclean.then_some(Written::Perhaps), boot, now);
        self
    }

    /// Doubts, in a store that no daemon has for itself, what was made before this boot and after the last sync: nobody knows
    /// how the machine went down. The second value is an error where that could not be written down: the next process does
    /// it again, and nothing may be said to be synced before it succeeded.
    pub fn doubting_since_boot(mut self, boot: &str, now: SystemTime) -> (Self, Result<(), StoreError>) {
        let path = self.root().join("boot");
        let known = fs::read_to_string(&path).ok();
        let is_new_boot = known.as_deref() != Some(boot);
        // Without the file it is unknown too what this boot has written ([`Store::sync`]).
        let written = if known.is_some() { Written::Back } else { Written::Perhaps };
        let unclean = (is_new_boot && !self.is_new()).then_some(written);
        self.doubt_again(unclean, boot, now);
        let saved = if unclean.is_some() { self.save_doubts() } else { Ok(()) };
        let noted = saved.and_then(|()| if is_new_boot { self.write_file(&path, boot.as_bytes()) } else { Ok(()) });
        (self, noted)
    }

    fn doubt_again(&mut self, unclean: Option<Written>, boot: &str, now: SystemTime) {
        let mut spans = read(self.root(), boot);
        if let Some(written) = unclean {
            let (since, until) = span(read_number(&self.root().join("synced")).unwrap_or(0), seconds(now));
            spans.push(Span { since, until, written });
        }
        let doubt = Doubt::of(boot, spans);
        doubt.0.are_unsaved.store(unclean.is_some(), Relaxed);
        self.layout.set_doubt(doubt);
    }

    /// Writes down what is doubted, for the next process.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be written.
    pub fn save_doubts(&self) -> Result<(), StoreError> {
        let doubt = self.layout.doubt();
        doubt.0.are_unsaved.store(false, Relaxed); // before they are read: should there be another one, it is saved next time
        let mut text = format!("{}\n", inode(self.root()).unwrap_or(0));
        for Span { since, until, written } in doubt.spans() {
            text += &match written {
                Written::Back => format!("{since} {until}\n"),
                Written::Perhaps => format!("{since} {until} {}\n", doubt.0.boot.trim()),
            };
        }
        let saved = self.write_file(&self.root().join("doubt"), text.as_bytes());
        saved.inspect_err(|_| doubt.0.are_unsaved.store(true, Relaxed))
    }

    /// Waits until all that was written before is on the disk, and writes down that it is. `syncfs` is what waits.
    ///
    /// Where it fails, what was made since the last sync is doubted from then on, until it was read back.
    ///
    /// # Errors
    /// A [`StoreError`] where the disk refuses, or what is doubted cannot be written down: then nothing is said to be synced.
    pub fn sync(
        &self,
        now: impl Fn() -> SystemTime,
        syncfs: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let (root, doubt) = (self.root(), self.layout.doubt());
        if doubt.0.are_unsaved.load(Relaxed) {
            self.save_doubts()?;
        }
        let began = now();
        if let Err(e) = syncfs() {
            let (since, until) = span(read_number(&root.join("synced")).unwrap_or(0), seconds(now()));
            let failed = Span { since, until, written: Written::Perhaps };
            doubt.change(|spans| [spans, vec![failed]].concat());
            if self.save_doubts().is_err() {
                // A daemon saves them later. For other processes it is as if the machine had gone down, which needs no room.
                drop(fs::remove_file(root.join("boot")));
            }
            return Err(StoreError::at("syncing", root)(e));
        }
        if doubt.spans().iter().any(|span| span.written == Written::Perhaps) {
            let back = |span: Span| Span { written: Written::Back, ..span };
            doubt.change(|spans| spans.into_iter().map(back).collect());
            self.save_doubts()?;
        }
        self.write_file(&root.join("synced"), format!("{}\n", seconds(began)).as_bytes())
    }

    /// Whether nothing was ever stored here.
    #[must_use]
    pub fn is_new(&self) -> bool {
        fs::read_dir(self.layout.objects()).is_ok_and(|mut entries| entries.next().is_none())
    }
}

/// From the last sync until now. A clock that went back, or is not set yet, says nothing.
fn span(synced: u64, now: u64) -> (u64, u64) {
    if now < synced { (0, u64::MAX) } else { (synced.saturating_sub(MARGIN), now) }
}

/// Spans that overlap as one; of more than can be kept the oldest as one. Of two the worse counts.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut all: Vec<Span> = Vec::new();
    for span in spans {
        match all.last_mut() {
            Some(last) if span.since <= last.until => {
                (last.until, last.written) = (last.until.max(span.until), last.written.max(span.written));
            }
            _ => all.push(span),
        }
    }
    while all.len() > MOST {
        let (first, second) = (all[0], all.remove(1));
        all[0] = Span { since: first.since, until: second.until, written: first.written.max(second.written) };
    }
    all
}

/// What was doubted before: an object that nobody asked for since was not read. What cannot be read is everything.
fn read(root: &Path, boot: &str) -> Vec<Span> {
    const EVERYTHING: Span = Span { since: 0, until: u64::MAX, written: Written::Back };
    let span = |line: &str| {
        let mut words = line.split(' ');
        let (since, until) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let written = if words.next() == Some(boot.trim()) { Written::Perhaps } else { Written::Back };
        Some(Span { since, until, written })
    };
    match fs::read_to_string(root.join("doubt")) {
        Ok(text) => match text.split_once('\n') {
            Some((of, spans)) if of.parse().ok() == inode(root) => {
                spans.lines().map(|line| span(line).unwrap_or(EVERYTHING)).collect()
            }
            _ => vec![EVERYTHING],
        },
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(_) => vec![EVERYTHING],
    }
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
    use crate::Access;

    fn back(since: u64, until: u64) -> Span {
        Span { since, until, written: Written::Back }
    }

    #[test]
    fn after_an_unclean_stop_nothing_counts_as_written_back_before_a_sync_has_succeeded() {
        let (dir, now) = (tempfile::tempdir().unwrap(), || UNIX_EPOCH + std::time::Duration::from_secs(1000));
        let store = Store::open(dir.path(), Access::Owner).unwrap().doubting_again(true, "boot", now());
        let written = || store.layout.doubt().spans().iter().map(|span| span.written).collect::<Vec<_>>();
        // The doubt cannot be written down, so that nothing is synced either.
        fs::create_dir(dir.path().join("doubt")).unwrap();
        store.sync(now, || panic!("it is not asked for")).unwrap_err();
        assert_eq!(written(), [Written::Perhaps]);
        fs::remove_dir(dir.path().join("doubt")).unwrap();
        store.sync(now, || Ok(())).unwrap();
        assert_eq!(written(), [Written::Back]);
    }

    #[test]
    fn doubts_are_merged_and_none_is_lost() {
        assert_eq!(merged(vec![back(50, 60), back(10, 20), back(15, 30)]), [back(10, 30), back(50, 60)]);
        let worse = Span { written: Written::Perhaps, ..back(20, 25) };
        assert_eq!(merged(vec![back(10, 22), worse]), [Span { written: Written::Perhaps, ..back(10, 25) }]);
        let many = merged((0..500).map(|n| back(n * 10, n * 10 + 5)).collect());
        assert_eq!(many.len(), MOST);
        assert_eq!((many[0].since, many[MOST - 1]), (0, back(4990, 4995)));
        assert_eq!(span(1000, 2000), (700, 2000));
        assert_eq!(span(1000, 999), (0, u64::MAX));
    }
}
