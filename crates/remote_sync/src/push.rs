//! Puts what builds of a name used into the remote store: what is new in it, an index, and a head.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use proto::Output;
use remote::content_hash::ContentHash;
use remote::frames::FileWriter;
use remote::head::{Head, HeadError};
use remote::index::{Entry, File, Index};
use remote::keys::SecretKey;
use remote::series::Series;
use remote::write_plan::{self, Draft};
use remote::{limits, name};
use sha2::{Digest, Sha256};
use store::{Conditional, Store, StoreError, View};

use crate::objects::{ObjectError, Objects, whole};
use crate::read_index::{ReadError, Source};
use crate::seen_heads::State;

mod entries;

use entries::{LocalUse, keep_newest};
pub use entries::{Used, UsedByBuild};

/// How often an index that machines share is put where another machine puts one at the same time.
const TRIES: usize = 3;

/// What to put.
#[derive(Debug, Clone, Copy)]
pub struct Push<'a> {
    /// The local store.
    pub store: &'a Store,
    /// What builds with the toolchain read and write.
    pub view: &'a View,
    /// Under which name.
    pub series: &'a Series,
    /// Other names whose outputs are not put again: those of a branch from which this one comes.
    pub bases: &'a [Series],
    /// Who signs.
    pub key: &'a SecretKey,
    /// The remote store.
    pub objects: &'a dyn Objects,
    /// What is known to be there.
    pub found: &'a Found,
    /// What of the store is put.
    pub used: Used<'a>,
    /// Which entries with a condition.
    pub conditional: Conditional,
    /// Whether indexes of the toolchain's own packages go too: it lies in the Nix store, where a path has one content.
    pub indexes: bool,
    /// Seconds since 1970.
    pub now: u64,
    /// How long the remote store keeps what was put, in seconds: a head expires after that, and a file that is used is put again after half
    /// of it.
    pub period: u64,
}

/// What was put.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// Entries of the index.
    pub entries: u64,
    /// Outputs that were not there.
    pub outputs: u64,
    /// Files that were put.
    pub files: u64,
    /// Those of them that were there and had aged.
    pub aged: u64,
    /// Bytes of all that was put.
    pub bytes: u64,
    /// Whether index and head were put; else all was there.
    pub is_new: bool,
}

/// Why it could not be put. No index refers to what was put before; the remote store's rule removes it.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The local store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its directory for what is remembered.
    #[error("making a directory in the store")]
    State(#[source] std::io::Error),
    /// The engine does not take it.
    #[error("putting {0}")]
    Put(String, #[source] ObjectError),
    /// Whether it is there is not known.
    #[error("reading {0}")]
    Get(String, #[source] ObjectError),
    /// What is there cannot be read.
    #[error("reading what is there")]
    Read(#[source] ReadError),
    /// There is more than an index holds.
    #[error("an index with {0} bytes is too large: --used-within takes less")]
    TooLarge(usize),
    /// An output does not compress.
    #[error("compressing")]
    Compress(#[source] std::io::Error),
}

/// What the pushes of one upload found in the remote store: it is asked for once.
#[derive(Debug, Default)]
pub struct Found(RefCell<HashSet<String>>);

impl Push<'_> {
    /// Puts it.
    ///
    /// # Errors
    /// A [`PushError`] where a part of it could not be put.
    pub fn run(&self) -> Result<Pushed, PushError> {
        for _ in 1..TRIES {
            if let Some(pushed) = self.once(false)? {
                return Ok(pushed);
            }
        }
        Ok(self.once(true)?.unwrap_or_default())
    }

    /// `None`: another machine put an index of Go's own packages meanwhile, which this one would hide. Only the last attempt does.
    fn once(&self, is_last: bool) -> Result<Option<Pushed>, PushError> {
        let state = State::new(self.store).map_err(PushError::State)?;
        let source = Source { objects: self.objects, state: &state, now: self.now };
        let previous = self.read(&source, self.series)?;
        let mut bases = Vec::new();
        for base in self.bases {
            bases.extend(self.read(&source, base)?.map(|(_, index)| index));
        }
        let of_this_machine = self.local_use();
        let mut entries = of_this_machine.entries()?;
        if entries.is_empty() {
            return Ok(Some(Pushed::default())); // an empty index would hide the entries of the previous one
        }
        let before = previous.as_ref().map(|(_, index)| index);
        let refused = of_this_machine.refused(before)?;
        let is_part = before.is_some_and(|index| entries.len() < index.entries.len() / 2);
        let stays = |entry: &&Entry| match self.used {
            Used::Since(since) => UNIX_EPOCH + Duration::from_secs(entry.time) >= since,
            Used::By(_) => is_part,
            Used::StdBy(_) => entry.time.saturating_add(self.period) >= self.now,
        };
        let stays = |entry: &&Entry| stays(entry) && !refused.contains(&(entry.action, entry.output.id));
        entries.extend(before.iter().flat_map(|index| index.entries.iter().filter(stays)).cloned());
        if matches!(self.used, Used::StdBy(_)) {
            keep_newest(&mut entries, limits::STD_ENTRIES);
        }
        let bases: Vec<_> = bases.iter().collect();
        let is_here = |output: &Output| self.store.object(*output).is_ok_and(|path| path.is_some());
        let mut draft = write_plan::plan((self.series.clone(), self.now), before, &bases, (entries, is_here));
        let mut pushed = Pushed::default();
        self.files(&mut draft, &mut pushed)?;
        let mut index = draft.finish();
        self.aged(&mut index, &mut pushed);
        pushed.entries = index.entries.len() as u64;
        let is_current = |(head, before): &(Head, Index)| {
            let is_young = self.now < head.created.saturating_add(self.period / 4);
            write_plan::is_same(before, &index) && before.files == index.files && is_young
        };
        if previous.as_ref().is_some_and(is_current) {
            return Ok(Some(pushed));
        }
        let before = previous.as_ref().map_or(0, |(head, _)| head.counter);
        Ok(self.head(&index, (&source, before), (&mut pushed, is_last))?.then_some(pushed))
    }

    fn local_use(&self) -> LocalUse<'_> {
        let own = self.key.public().signing_key();
        let Self { store, view, used, conditional, indexes, now, .. } = *self;
        LocalUse { store, view, own, used, conditional, indexes, now }
    }

    /// This key's index of a series, with what is in files that are there. One that is not to be used counts as none; where the engine does
    /// not answer, nothing is known, and all would be put again.
    fn read(&self, source: &Source<'_>, series: &Series) -> Result<Option<(Head, Index)>, PushError> {
        let found = match source.take(series, &self.key.public()) {
            Ok(found) => found,
            // S3 engines say so of what is not there too, where these credentials may not list the bucket.
            Err(e @ ReadError::Object(_, ObjectError::Denied(_))) => {
                log::warn!("{series}: taken for the first push: {}", proto::error::with_causes(&e));
                None
            }
            Err(e @ (ReadError::Object(..) | ReadError::State(..))) => return Err(PushError::Read(e)),
            // Others' entries are in it: without them it is not replaced.
            Err(e @ ReadError::Head(_, HeadError::Older { .. })) if matches!(self.used, Used::StdBy(_)) => {
                return Err(PushError::Read(e));
            }
            Err(e) => {
                log::warn!("{series}: all is put again: {}", proto::error::with_causes(&e));
                None
            }
        };
        let Some((head, mut index)) = found else { return Ok(None) };
        if !self.is_there(&name::index(&head.index))? {
            log::warn!("{series}: its index is not there any more: all is put again");
            return Ok(None);
        }
        let mut lost = HashSet::new();
        for (number, file) in (0..).zip(&index.files) {
            if !self.is_there(&name::file(&file.hash))? {
                log::warn!("{series}: {} is not there any more: what was in it is put again", name::file(&file.hash));
                lost.insert(number);
            }
        }
        let frames = &index.frames;
        index.outputs.retain(|packed| !lost.contains(&frames[packed.frame as usize].file));
        Ok(Some((head, index)))
    }

    fn is_there(&self, name: &str) -> Result<bool, PushError> {
        if self.found.0.borrow().contains(name) {
            return Ok(true);
        }
        let found = self.objects.get(name, Some(0..1)).map_err(|e| PushError::Get(name.to_owned(), e))?;
        if found.is_some() {
            self.found.0.borrow_mut().insert(name.to_owned());
        }
        Ok(found.is_some())
    }

    /// Packs and puts what is new.
    fn files(&self, draft: &mut Draft, pushed: &mut Pushed) -> Result<(), PushError> {
        let Some(mut writer) = draft.writer() else { return Ok(()) };
        for output in std::mem::take(&mut draft.new) {
            // What went meanwhile, or is damaged, is left out, and so are its entries.
            let Some(body) = self.body(output) else { continue };
            writer.add(output.id, &body).map_err(PushError::Compress)?;
            pushed.outputs += 1;
            if writer.is_full() {
                self.file(writer, draft, pushed)?;
                let Some(next) = draft.writer() else { return Ok(()) };
                writer = next;
            }
        }
        if writer.is_empty() { Ok(()) } else { self.file(writer, draft, pushed) }
    }

    fn body(&self, output: Output) -> Option<Vec<u8>> {
        let path = self.store.object(output).ok()??;
        let bytes = fs::read(path).ok()?;
        (Sha256::digest(&bytes)[..] == output.id.0).then_some(bytes)
    }

    fn file(&self, writer: FileWriter, draft: &mut Draft, pushed: &mut Pushed) -> Result<(), PushError> {
        let (written, bytes) = writer.finish(self.now).map_err(PushError::Compress)?;
        self.put(&name::file(&written.file.hash), &bytes, pushed)?;
        pushed.files += 1;
        draft.add(written);
        Ok(())
    }

    /// Puts files once more that the remote store may remove soon.
    fn aged(&self, index: &mut Index, pushed: &mut Pushed) {
        let aged: Vec<_> =
            write_plan::aged_files(index, self.now, self.period).map(|(number, file)| (number, *file)).collect();
        for (number, file) in aged {
            match self.put_again(&file, pushed) {
                Ok(()) => index.files[number].created = self.now,
                Err(e) => log::warn!("it was not put again: {}", proto::error::with_causes(&e)),
            }
        }
    }

    fn put_again(&self, file: &File, pushed: &mut Pushed) -> Result<(), PushError> {
        let at = name::file(&file.hash);
        let most = usize::try_from(limits::MOST_FILE).unwrap_or(usize::MAX);
        let bytes = whole(self.objects, &at, most);
        let bytes = bytes.and_then(|bytes| match bytes {
            None => Err("it is not there any more".into()),
            Some(bytes) if ContentHash::of(&bytes) != file.hash => Err("it has other bytes than its name says".into()),
            Some(bytes) => Ok(bytes),
        });
        let bytes = bytes.map_err(|e| PushError::Get(at.clone(), e))?;
        self.put(&at, &bytes, pushed)?;
        pushed.files += 1;
        pushed.aged += 1;
        Ok(())
    }

    /// Whether index and head were put. `before` is the counter of the head that this one follows.
    fn head(
        &self,
        index: &Index,
        (source, before): (&Source<'_>, u64),
        (pushed, is_last): (&mut Pushed, bool),
    ) -> Result<bool, PushError> {
        let bytes = index.write(self.key);
        if bytes.len() > limits::INDEX {
            return Err(PushError::TooLarge(bytes.len()));
        }
        let hash = ContentHash::of(&bytes);
        self.put(&name::index(&hash), &bytes, pushed)?;
        source.state.keep_index(&hash, &bytes);
        let at = name::head(self.series, &self.key.public().id());
        // Another job may have put one meanwhile.
        let there = source.head(self.series, &self.key.public()).ok().flatten().map_or(0, |head| head.counter);
        if there > before && !is_last && matches!(self.used, Used::StdBy(_)) {
            return Ok(false);
        }
        let counter = Head::next_counter(self.now, &[there, source.state.seen(&at)]);
        let expires = self.now.saturating_add(self.period);
        let head = Head { series: self.series.clone(), counter, created: self.now, expires, index: hash };
        self.put(&at, head.write(self.key).as_bytes(), pushed)?;
        source.state.note(&at, counter)?;
        pushed.is_new = true;
        Ok(true)
    }

    fn put(&self, at: &str, bytes: &[u8], pushed: &mut Pushed) -> Result<(), PushError> {
        self.objects.put(at, bytes).map_err(|e| PushError::Put(at.to_owned(), e))?;
        self.found.0.borrow_mut().insert(at.to_owned());
        pushed.bytes += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
