//! What of an index is wanted, and what is here of it.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use proto::{ActionId, OutputId};
use remote::index::{Entry, Frame, Index, Packed};
use remote::keys::PublicKey;
use remote::name;
use remote::read_plan::Fetch;
use store::{BuildName, Origin, Partition};

use crate::local_entries::EntryName;
use crate::mutex::lock;

/// What trusted keys signed for these builds, as it was read.
#[derive(Debug)]
pub struct Named {
    /// Each index, and who signed it.
    pub(super) indexes: Vec<(Index, PublicKey)>,
    pub(super) known: Known,
    /// Frames that were asked for one by one: the numbers of their index and of themselves.
    asked: Mutex<HashSet<(usize, u32)>>,
}

impl Named {
    pub(super) fn new(indexes: Vec<(Index, PublicKey)>, known: Known) -> Self {
        Self { indexes, known, asked: Mutex::default() }
    }

    /// The frames of an index with outputs of these entries which were not asked for before. From now on they were.
    pub(super) fn ask(&self, number: usize, is_meant: impl Fn(&Entry) -> bool) -> HashSet<u32> {
        let index = &self.indexes[number].0;
        let meant: HashSet<_> =
            index.entries.iter().filter(|entry| is_meant(entry)).map(|entry| entry.output.id).collect();
        let frames = index.outputs.iter().filter(|packed| meant.contains(&packed.id)).map(|packed| packed.frame);
        let mut asked = lock(&self.asked);
        frames.filter(|frame| asked.insert((number, *frame))).collect()
    }
}

/// What is here.
#[derive(Debug)]
pub(super) struct Known {
    /// Of which the store had something before.
    pub(super) actions: HashSet<ActionId>,
    /// What the store has, and what is of no use.
    pub(super) here: Mutex<HashSet<EntryName>>,
}

impl Known {
    pub(super) fn has(&self, entry: &Entry) -> bool {
        lock(&self.here).contains(&(entry.action, entry.condition.clone()))
    }

    pub(super) fn note(&self, entry: &Entry) {
        lock(&self.here).insert((entry.action, entry.condition.clone()));
    }
}

/// What of an index is wanted.
pub(super) struct Outputs<'a> {
    pub(super) index: &'a Index,
    pub(super) wanted: &'a HashMap<OutputId, Vec<&'a Entry>>,
    pub(super) known: &'a Known,
    /// Those in each frame.
    pub(super) in_frame: HashMap<u32, Vec<&'a Packed>>,
    /// Who signed it.
    pub(super) key: &'a PublicKey,
    /// Entries that were put.
    pub(super) admitted: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) bytes: AtomicU64,
}

impl<'a> Outputs<'a> {
    pub(super) fn new(
        index: &'a Index,
        (wanted, known): (&'a HashMap<OutputId, Vec<&'a Entry>>, &'a Known),
        key: &'a PublicKey,
    ) -> Self {
        let mut in_frame = HashMap::<_, Vec<_>>::new();
        for packed in index.outputs.iter().filter(|packed| wanted.contains_key(&packed.id)) {
            in_frame.entry(packed.frame).or_default().push(packed);
        }
        let [admitted, requests, bytes] = [0; 3].map(AtomicU64::new);
        Self { index, wanted, known, in_frame, key, admitted, requests, bytes }
    }

    pub(super) fn origin(&self) -> Origin {
        let (name, key) = (BuildName::new(&self.index.series.name), Some(self.key.signing_key()));
        Origin { build: None, name, witness: None, partition: Partition::Common, key }
    }

    pub(super) fn file(&self, fetch: &Fetch) -> String {
        name::file(&self.index.files[usize::from(fetch.file)].hash)
    }

    pub(super) fn frame(&self, number: u32) -> &Frame {
        &self.index.frames[number as usize]
    }

    /// What the largest frame of a request takes in memory, packed and unpacked.
    pub(super) fn memory(&self, fetch: &Fetch) -> u64 {
        let bytes = |frame: &Frame| u64::from(frame.length) + u64::from(frame.raw_length);
        fetch.frames.iter().map(|number| bytes(self.frame(*number))).max().unwrap_or(0)
    }
}
