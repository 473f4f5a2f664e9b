//! Reading one file: its hash, and the paths that it names.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use blake3::{Hash, Hasher};

use crate::condition::budget::Budget;
use crate::condition::build_constraint::{HEAD, imports_c, is_in_head};
use crate::condition::escapes::Scanner;
use crate::condition::stamp::Stamp;

/// Bytes that are read at once.
const PIECE: usize = 64 << 10;

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// The hash of a file's mode and content, if it is the file with this stamp. Whether it still is at the end, the whole list is asked
/// (`FileList::has_same_stamps`). `None` too where the budget is spent.
pub(super) fn hash_of(
    path: &Path,
    stamp: &Stamp,
    mut scanner: Option<Scanner<'_>>,
    budget: &mut Budget,
) -> Option<Hash> {
    let (mut file, metadata) = open(path, stamp)?;
    let mut hasher = Hasher::new();
    hasher.update(&[u8::from(metadata.mode() & 0o100 != 0)]);
    // Most files are small: they need neither a large piece nor a read that finds the end. Size 0 may mean that none is known.
    let mut left = if metadata.len() == 0 { u64::MAX } else { metadata.len() };
    let mut piece = vec![0; usize::try_from(left).map_or(PIECE, |size| size.min(PIECE))];
    while left > 0 {
        let length = file.read(&mut piece).ok()?;
        if length == 0 {
            break;
        }
        left = left.saturating_sub(length as u64);
        budget.take_bytes(length as u64)?;
        hasher.update(&piece[..length]);
        if let Some(scanner) = &mut scanner {
            scanner.feed(&piece[..length]);
        }
    }
    if let Some(scanner) = scanner {
        scanner.finish();
    }
    Some(hasher.finalize())
}

/// Whether the head of a source says that Go may leave it out.
pub(super) fn has_constraint(path: &Path, stamp: &Stamp, budget: &mut Budget) -> Option<bool> {
    let head = head(path, stamp, budget)?;
    Some(is_in_head(&head, head.len() <= HEAD))
}

/// Whether a Go source has C in it, as far as its head shows. In doubt it has.
pub(super) fn has_c(path: &Path, stamp: &Stamp, budget: &mut Budget) -> Option<bool> {
    let head = head(path, stamp, budget)?;
    Some(head.len() > HEAD || imports_c(&head))
}

/// The first bytes of a file, one more than [`HEAD`] of a longer one.
fn head(path: &Path, stamp: &Stamp, budget: &mut Budget) -> Option<Vec<u8>> {
    let (file, _) = open(path, stamp)?;
    let mut head = Vec::new();
    file.take(HEAD as u64 + 1).read_to_end(&mut head).ok()?;
    budget.take_bytes(head.len() as u64)?;
    Some(head)
}

/// Without waiting, in case that it is a pipe by now.
fn open(path: &Path, stamp: &Stamp) -> Option<(File, Metadata)> {
    let file = File::options().read(true).custom_flags(NONBLOCK).open(path).ok()?;
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && Stamp::of(&metadata)? == *stamp).then_some((file, metadata))
}
