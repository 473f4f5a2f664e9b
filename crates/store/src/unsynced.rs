//! The spans of time whose files may not have reached the disk, and how they are written down. recovery.rs says when there are
//! any and when they end; `object/integrity_mtime.rs` asks whether a file is in one.
//!
//! ```text
//! <inode of the store's directory>
//! <since> <until>             seconds since 1970, both included: written back, and to be verified
//! <since> <until> <boot id>   the same, and its latest sync failed in the boot with this id
//! ```
//!
//! The file's name is `doubt`. In a copy of the store, which has another inode, the times of making say nothing: everything
//! is to be verified.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::UNIX_EPOCH;

/// Spans that are remembered.
const MOST: usize = 100;

/// The spans of one process: shared by all that serve files of the store.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnsyncedSpans(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Held for one look or one change.
    state: RwLock<State>,
    /// They are not written down yet.
    are_unsaved: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// The kernel's id of this boot; empty where it was not given.
    boot: String,
    spans: Vec<Span>,
}

/// Seconds since 1970, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) since: u64,
    pub(crate) until: u64,
    pub(crate) write_back: WriteBack,
}

/// Whether the kernel has written back what was made in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WriteBack {
    /// It has, with or without an error: it was made before this boot, or a sync has succeeded since.
    Done,
    /// It may still be about to: the latest sync failed.
    Pending,
}

impl UnsyncedSpans {
    /// These spans and no others.
    pub(crate) fn replace(&self, boot: &str, spans: Vec<Span>) {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        *state = State { boot: boot.to_owned(), spans: merged(spans) };
    }

    /// Whether there is none: no file is to be verified.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).spans.is_empty()
    }

    /// Whether a file is to be verified, by the time at which it was made, which links do not change. Where a file system does not
    /// keep that, by the last change, which only moves on.
    pub(crate) fn covers(&self, metadata: &Metadata) -> Option<WriteBack> {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.spans.is_empty() {
            return None;
        }
        let made = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let is_in = |span: &&Span| match made {
            Some(made) => (span.since..=span.until).contains(&made.as_secs()),
            None => u64::try_from(metadata.ctime()).is_ok_and(|changed| changed >= span.since),
        };
        state.spans.iter().filter(is_in).map(|span| span.write_back).max()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner).spans.clone()
    }

    pub(crate) fn change(&self, change: impl FnOnce(Vec<Span>) -> Vec<Span>) {
        let mut state = self.0.state.write().unwrap_or_else(PoisonError::into_inner);
        let changed = merged(change(std::mem::take(&mut state.spans)));
        state.spans = changed;
        self.0.are_unsaved.store(true, Relaxed);
    }

    pub(crate) fn are_unsaved(&self) -> bool {
        self.0.are_unsaved.load(Relaxed)
    }

    pub(crate) fn set_unsaved(&self, are_unsaved: bool) {
        self.0.are_unsaved.store(are_unsaved, Relaxed);
    }

    /// The spans as the file has them. `root` is the inode of the store's directory.
    pub(crate) fn to_text(&self, root: u64) -> String {
        let state = self.0.state.read().unwrap_or_else(PoisonError::into_inner);
        let mut text = format!("{root}\n");
        for Span { since, until, write_back } in &state.spans {
            text += &match write_back {
                WriteBack::Done => format!("{since} {until}\n"),
                WriteBack::Pending => format!("{since} {until} {}\n", state.boot.trim()),
            };
        }
        text
    }
}

/// All times. What cannot be read stands for it.
pub(crate) const EVERYTHING: Span = Span { since: 0, until: u64::MAX, write_back: WriteBack::Done };

/// Reads a text back, in the boot with this id and in the directory with this inode.
pub(crate) fn parse(text: &str, boot: &str, root: Option<u64>) -> Vec<Span> {
    let span = |line: &str| {
        let mut words = line.split(' ');
        let (since, until) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let write_back = if words.next() == Some(boot.trim()) { WriteBack::Pending } else { WriteBack::Done };
        Some(Span { since, until, write_back })
    };
    match text.split_once('\n') {
        Some((of, spans)) if of.parse().is_ok_and(|of| Some(of) == root) => {
            spans.lines().map(|line| span(line).unwrap_or(EVERYTHING)).collect()
        }
        _ => vec![EVERYTHING],
    }
}

/// Spans that overlap as one; of more than can be kept the oldest as one. Of two the worse counts.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut all: Vec<Span> = Vec::new();
    for span in spans {
        match all.last_mut() {
            Some(last) if span.since <= last.until => {
                (last.until, last.write_back) = (last.until.max(span.until), last.write_back.max(span.write_back));
            }
            _ => all.push(span),
        }
    }
    while all.len() > MOST {
        let (first, second) = (all[0], all.remove(1));
        let write_back = first.write_back.max(second.write_back);
        all[0] = Span { since: first.since, until: second.until, write_back };
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(since: u64, until: u64) -> Span {
        Span { since, until, write_back: WriteBack::Done }
    }

    #[test]
    fn spans_are_merged_and_none_is_lost() {
        assert_eq!(merged(vec![done(50, 60), done(10, 20), done(15, 30)]), [done(10, 30), done(50, 60)]);
        let worse = Span { write_back: WriteBack::Pending, ..done(20, 25) };
        assert_eq!(merged(vec![done(10, 22), worse]), [Span { write_back: WriteBack::Pending, ..done(10, 25) }]);
        let many = merged((0..500).map(|n| done(n * 10, n * 10 + 5)).collect());
        assert_eq!(many.len(), MOST);
        assert_eq!((many[0].since, many[MOST - 1]), (0, done(4990, 4995)));
    }

    #[test]
    fn spans_of_another_directory_or_of_one_that_is_not_known_are_all_times() {
        assert_eq!(parse("66\n10 20\n", "", Some(66)), [done(10, 20)]);
        for (text, root) in [("67\n10 20\n", Some(66)), ("66\n10 20\n", None), ("x\n10 20\n", None), ("", None)] {
            assert_eq!(parse(text, "", root), [EVERYTHING], "{text:?}");
        }
    }
}
