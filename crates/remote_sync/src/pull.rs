//! Fetches what the remote store has for builds of a name and the local one lacks.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Take};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use proto::{ActionId, OutputId};
use remote::frames::FrameError;
use remote::head::HeadError;
use remote::index::{Entry, Frame, Index, Packed};
use remote::keys::{PublicKey, TrustedKeys};
use remote::read_plan::{Fetch, fetches};
use remote::series::Series;
use store::{Conditional, Disk, Kind, Limits, Published, Put, Replaces, StageError, Store, StoreError, View};

use crate::frame_memory::FrameMemory;
use crate::local_entries::LocalEntries;
use crate::mutex::lock;
use crate::objects::{Body, ObjectError, Objects};
use crate::read_index::{ReadError, Source};
use crate::seen_heads::State;

mod wanted;

pub use wanted::Named;
use wanted::{Known, Outputs};

/// Streams at once: more pay only where bandwidth times delay is large (docs/explanation/remote-tier.md).
const STREAMS: usize = 4;

/// How often a request is made again that breaks off.
const TRIES: usize = 2;

/// What to fetch, and into which store.
#[derive(Debug, Clone, Copy)]
pub struct Pull<'a> {
    /// The local store.
    pub store: &'a Store,
    /// What it is kept within: nothing is fetched while its disk is short of space by these.
    pub limits: Limits,
    /// What builds with the toolchain read and write; it takes what these keys signed.
    pub view: &'a View,
    /// Names of builds, the first ones first.
    pub series: &'a [Series],
    /// What is fetched where the remote store has nothing of these: what builds of any name used of Go's own packages.
    pub std: Option<&'a Series>,
    /// Whose entries are admitted.
    pub trusted: &'a TrustedKeys,
    /// The remote store.
    pub objects: &'a dyn Objects,
    /// Which entries with a condition are taken.
    pub conditional: Conditional,
    /// Whether indexes of the toolchain's own packages are taken: it lies in the Nix store, where a path has one content.
    pub indexes: bool,
    /// Seconds since 1970.
    pub now: u64,
    /// Nothing is asked for after it.
    pub until: Instant,
    /// Who wants to know what comes.
    pub progress: &'a dyn Progress,
    /// What frames are held in.
    pub memory: &'a FrameMemory,
}

/// Is told what comes, by several threads.
pub trait Progress: std::fmt::Debug + Sync {
    /// These are fetched now.
    fn wants(&self, entries: &mut dyn Iterator<Item = &Entry>);
    /// An entry of this action `came`, or it does not come.
    fn done(&self, action: &ActionId, came: bool);
}

/// For a caller that waits for all of it.
impl Progress for () {
    fn wants(&self, _: &mut dyn Iterator<Item = &Entry>) {}
    fn done(&self, _: &ActionId, _: bool) {}
}

/// What was done.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pulled {
    /// Indexes that were read.
    pub indexes: u64,
    /// Entries in them.
    pub entries: u64,
    /// Entries that are new here.
    pub admitted: u64,
    /// Bytes of frames that came.
    pub bytes: u64,
    /// Requests for frames.
    pub requests: u64,
    /// Heads, indexes and requests that were of no use.
    pub failed: u64,
}

/// Why nothing could be fetched.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The local store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its directory for what is remembered.
    #[error("making a directory in the store")]
    State(#[source] std::io::Error),
}

/// Why a part of it was not admitted.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("reading {0}")]
    Object(String, #[source] ObjectError),
    #[error("{0} is not there any more")]
    Gone(String),
    #[error("reading {0}")]
    Body(String, #[source] std::io::Error),
    #[error("a frame of {0} is not used")]
    Frame(String, #[source] FrameError),
    #[error("no memory was free in time")]
    Memory,
    #[error("output {0} is not what the index names")]
    Output(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pull<'_> {
    /// Fetches and admits. What fails is logged and left out: the rest is of use without it.
    ///
    /// # Errors
    /// A [`PullError`] where the local store cannot be read.
    pub fn run(&self) -> Result<Pulled, PullError> {
        let (named, mut pulled) = self.read()?;
        self.announce(&named);
        for (index, key) in &named.indexes {
            self.index((index, key), &named.known, &|_| true, &mut pulled);
        }
        pulled.failed += u64::from(!self.has_room());
        Ok(pulled)
    }

    /// Reads the indexes, and fetches nothing of what they name.
    ///
    /// # Errors
    /// A [`PullError`] where the local store cannot be read.
    pub fn read(&self) -> Result<(Named, Pulled), PullError> {
        let state = State::new(self.store).map_err(PullError::State)?;
        let source = Source { objects: self.objects, state: &state, now: self.now };
        let mut pulled = Pulled::default();
        let indexes = self.indexes(&source, &mut pulled);
        let known = self.known(&indexes)?;
        Ok((Named::new(indexes, known), pulled))
    }

    /// Tells the progress what is named and is not here.
    pub fn announce(&self, named: &Named) {
        let mut seen = HashSet::new(); // two keys may have signed the same
        let entries = named.indexes.iter().flat_map(|(index, _)| &index.entries);
        let entries = entries.filter(|entry| self.is_wanted(entry, &named.known));
        self.progress.wants(&mut entries.filter(|entry| seen.insert((entry.action, entry.condition.as_ref()))));
    }

    /// Fetches the frames with what is named of this action and is not here, but none a second time.
    pub fn fetch_of(&self, named: &Named, action: &ActionId) -> Pulled {
        let mut pulled = Pulled::default();
        for (number, (index, key)) in named.indexes.iter().enumerate() {
            let frames = named.ask(number, |entry| entry.action == *action && self.is_wanted(entry, &named.known));
            if !frames.is_empty() {
                self.index((index, key), &named.known, &|packed| frames.contains(&packed.frame), &mut pulled);
                pulled.failed += u64::from(!self.has_room());
            }
        }
        pulled
    }

    /// The indexes of all series and keys, or of Go's own packages where there is none, and who signed each.
    fn indexes(&self, source: &Source<'_>, pulled: &mut Pulled) -> Vec<(Index, PublicKey)> {
        let mut denied = Vec::new();
        let mut indexes = self.indexes_of(self.series, source, (pulled, &mut denied));
        // Where the store does not answer, it would not for this one either.
        let is_silent = pulled.failed > 0;
        if let Some(std) = self.std.filter(|_| indexes.is_empty() && !is_silent) {
            indexes = self.indexes_of(std::slice::from_ref(std), source, (pulled, &mut denied));
        }
        if indexes.is_empty() {
            pulled.failed += denied.len() as u64;
            denied.iter().for_each(|why| log::warn!("{why}"));
        }
        indexes
    }

    /// Those of these series. S3 engines also deny what is not there, where the credentials may not list the bucket: it counts where no
    /// index is read.
    fn indexes_of(
        &self,
        series: &[Series],
        source: &Source<'_>,
        (pulled, denied): (&mut Pulled, &mut Vec<String>),
    ) -> Vec<(Index, PublicKey)> {
        let mut indexes = Vec::new();
        for (series, key) in series.iter().flat_map(|series| self.trusted.iter().map(move |key| (series, key))) {
            if !self.has_room() {
                break;
            }
            match source.take(series, key) {
                Ok(Some((_, index))) => {
                    pulled.indexes += 1;
                    pulled.entries += index.entries.len() as u64;
                    indexes.push((index, key.clone()));
                }
                Ok(None) => log::debug!("{series}: the key {} has nothing", key.name()),
                Err(e @ ReadError::Object(_, ObjectError::Denied(_))) => {
                    denied.push(format!("{series}: {}", proto::error::with_causes(&e)));
                }
                Err(ReadError::Head(_, HeadError::Expired)) => {
                    log::debug!("{series}: the head of {} is over", key.name());
                }
                Err(e) => {
                    pulled.failed += 1;
                    log::warn!("{series}: {}", proto::error::with_causes(&e));
                    if matches!(e, ReadError::Object(..) | ReadError::State(..)) {
                        break; // the others would fail by the same
                    }
                }
            }
        }
        indexes
    }

    /// What the store has of the actions of these.
    fn known(&self, indexes: &[(Index, PublicKey)]) -> Result<Known, StoreError> {
        let entries = indexes.iter().flat_map(|(index, _)| &index.entries);
        let LocalEntries { actions, here } = LocalEntries::of(self.store, self.view, entries)?;
        Ok(Known { actions, here: Mutex::new(here) })
    }

    /// Whether it is taken, and is not here.
    fn is_wanted(&self, entry: &Entry, known: &Known) -> bool {
        entry.condition.as_ref().is_none_or(|condition| self.conditional.takes(condition)) && !known.has(entry)
    }

    /// Fetches what is wanted and meant of an index.
    fn index(
        &self,
        (index, key): (&Index, &PublicKey),
        known: &Known,
        is_meant: &dyn Fn(&Packed) -> bool,
        pulled: &mut Pulled,
    ) {
        let mut wanted: HashMap<OutputId, Vec<&Entry>> = HashMap::new();
        let meant: HashSet<_> = index.outputs.iter().filter(|one| is_meant(one)).map(|one| one.id).collect();
        let entries = index.entries.iter().filter(|entry| meant.contains(&entry.output.id));
        for entry in entries.filter(|entry| self.is_wanted(entry, known)) {
            wanted.entry(entry.output.id).or_default().push(entry);
        }
        let plan = fetches(index, |packed| wanted.contains_key(&packed.id) && is_meant(packed));
        let outputs = Outputs::new(index, (&wanted, known), key);
        let (next, failed) = (Mutex::new(plan.iter()), AtomicU64::new(0));
        let work = || {
            while let Some(fetch) = self.has_room().then(|| lock(&next).next()).flatten() {
                if let Err(e) = self.fetch(fetch, &outputs) {
                    failed.fetch_add(1, Relaxed);
                    self.give_up(fetch, &outputs);
                    log::warn!("{}: {}", index.series, proto::error::with_causes(&e));
                }
            }
        };
        thread::scope(|scope| {
            (1..STREAMS.min(plan.len())).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        lock(&next).by_ref().for_each(|fetch| self.give_up(fetch, &outputs));
        pulled.requests += outputs.requests.into_inner();
        pulled.bytes += outputs.bytes.into_inner();
        pulled.admitted += outputs.admitted.into_inner();
        pulled.failed += failed.into_inner();
    }

    /// Whether there is time, and space on the disk.
    fn has_room(&self) -> bool {
        let is_short = Disk::of(self.store.root()).is_ok_and(|disk| self.limits.is_short(disk));
        let is_late = Instant::now() >= self.until;
        if is_short {
            log::warn!("{}: the disk is short of space: nothing more is fetched", self.store.root().display());
        }
        if is_late {
            log::warn!("fetching took too long: the next build fetches the rest");
        }
        !is_short && !is_late
    }

    /// What did not come of a request does not come any more.
    fn give_up(&self, fetch: &Fetch, outputs: &Outputs<'_>) {
        let packed = fetch.frames.iter().filter_map(|number| outputs.in_frame.get(number)).flatten();
        let entries = packed.filter_map(|packed| outputs.wanted.get(&packed.id)).flatten();
        entries.filter(|entry| !outputs.known.has(entry)).for_each(|entry| self.progress.done(&entry.action, false));
    }

    /// Fetches the frames of one request, and again from where it broke off.
    fn fetch(&self, fetch: &Fetch, outputs: &Outputs<'_>) -> Result<(), FetchError> {
        // Before a connection is open that would wait.
        let _held = self.memory.hold(outputs.memory(fetch), self.until).ok_or(FetchError::Memory)?;
        let mut left = fetch.frames.as_slice();
        for _ in 1..TRIES {
            match self.frames(fetch, &mut left, outputs) {
                Err(FetchError::Body(..) | FetchError::Object(..)) => {}
                done => return done,
            }
        }
        self.frames(fetch, &mut left, outputs)
    }

    /// Reads the frames that are left. What is done is taken out of `left`.
    fn frames(&self, fetch: &Fetch, left: &mut &[u32], outputs: &Outputs<'_>) -> Result<(), FetchError> {
        let Some(&first) = left.first() else { return Ok(()) };
        let file = outputs.file(fetch);
        let (mut at, end) = (u64::from(outputs.frame(first).offset), fetch.range.end);
        outputs.requests.fetch_add(1, Relaxed);
        let body = self.objects.get(&file, Some(at..end)).map_err(|e| FetchError::Object(file.clone(), e))?;
        let mut body = body.ok_or_else(|| FetchError::Gone(file.clone()))?.take(end - at);
        while let Some((&number, rest)) = left.split_first() {
            let frame = outputs.frame(number);
            let bytes = read_frame(&mut body, &mut at, frame).map_err(|e| FetchError::Body(file.clone(), e))?;
            outputs.bytes.fetch_add(bytes.len() as u64, Relaxed);
            let raw = frame.unpack(&bytes).map_err(|e| FetchError::Frame(file.clone(), e))?;
            self.admit(number, &raw, outputs)?;
            *left = rest;
        }
        Ok(())
    }

    /// Puts the wanted outputs of a frame, for each of their entries.
    fn admit(&self, number: u32, raw: &[u8], outputs: &Outputs<'_>) -> Result<(), FetchError> {
        let (origin, mut scratch) = (outputs.origin(), Vec::new());
        for packed in outputs.in_frame.get(&number).into_iter().flatten() {
            for entry in outputs.wanted.get(&packed.id).into_iter().flatten() {
                let other = || FetchError::Output(packed.id.to_string());
                let mut body = packed.body(raw).ok_or_else(other)?;
                let staged = self.store.stage(entry.output, &mut body, &mut scratch);
                let mut staged = staged.map_err(|e| match e {
                    StageError::Store(e) => FetchError::Store(e),
                    StageError::Body(_) | StageError::Length(_) | StageError::Digest => other(),
                })?;
                if staged.kind() == Kind::Mtime && self.indexes {
                    staged.set_kind(Kind::StoreIndex); // its writer signed no other
                }
                if !matches!(staged.kind(), Kind::Content | Kind::Archive | Kind::StoreIndex) {
                    outputs.known.note(entry);
                    self.progress.done(&entry.action, true);
                    continue; // true where it was made
                }
                let time = UNIX_EPOCH + Duration::from_secs(entry.time.min(self.now));
                let (condition, cost_ms, replaces) =
                    (entry.condition.as_ref(), entry.cost_ms.into(), Replaces::Nothing);
                let put = Put { action: entry.action, time, cost_ms, origin: &origin, condition, replaces };
                let published = self.store.put(self.view, &put, &mut staged)?;
                outputs.known.note(entry);
                if matches!(published, Published::New | Published::Outranks(_)) {
                    outputs.admitted.fetch_add(1, Relaxed);
                    // Until it is used here, its age counts from when its writer used it last.
                    if !outputs.known.actions.contains(&entry.action) {
                        self.store.mark_unused_since(self.view, &entry.action, time);
                    }
                }
                self.progress.done(&entry.action, true);
            }
        }
        Ok(())
    }
}

/// The bytes of a frame, and those before it that are not wanted.
fn read_frame(body: &mut Take<Body<'_>>, at: &mut u64, frame: &Frame) -> std::io::Result<Vec<u8>> {
    let before = u64::from(frame.offset).saturating_sub(*at);
    let skipped = std::io::copy(&mut body.by_ref().take(before), &mut std::io::sink())?;
    let mut bytes = Vec::with_capacity(usize::try_from(frame.length).unwrap_or(0));
    let read = body.by_ref().take(frame.length.into()).read_to_end(&mut bytes)?;
    *at += skipped + read as u64;
    let is_whole = skipped == before && bytes.len() as u64 == u64::from(frame.length);
    if is_whole { Ok(bytes) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests;
