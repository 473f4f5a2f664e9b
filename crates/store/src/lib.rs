//! The cache on disk. No sockets, no threads, no environment, no clock: times are arguments.
//!
//! The rules that everything here keeps:
//! - **The filesystem is the state.** No lock is needed to read or to publish; any number of processes share a store.
//! - **Whole or absent.** A file is written under a unique temporary name, checked, then renamed; an object comes before
//!   the record that names it. What is published is never written to again, only unlinked or renamed over.
//! - **Damage is a miss.** Whatever a record or an object lacks, the worst effect is that Go builds the thing again.
//!
//! Read in this order: format/ (names and records), object/ (a body becomes an object), `record_dir.rs` (a directory of records),
//! put.rs and get.rs (what becomes of a put, what a get finds), view.rs (which namespaces a session reads and writes),
//! `build_dir.rs` and `blinded_table.rs` (what one sandboxed build may see), recovery.rs (what may not have reached the disk), counters.rs (how much
//! there is), evict/ (what goes); `own_dir.rs`, `unwritable.rs` and `go_commands.rs` (a store without a daemon). No file uses this one.

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod blinded_table;
mod bounded_map;
mod build_dir;
mod counters;
mod dirs;
mod disk;
mod dry_run;
mod error;
mod evict;
mod export;
mod format;
mod get;
mod go_commands;
mod layer;
mod list;
mod object;
mod open;
mod other_users;
mod own_dir;
mod put;
mod quarantine;
mod record_dir;
mod recovery;
mod unsynced;
mod unwritable;
mod verify;
mod view;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{ActionId, BuildId, Condition, Output, OutputId};

pub use blinded_table::{NewTable, open_given};
pub use bounded_map::BoundedMap;
pub use build_dir::{BuildDir, Exposed, Exposure};
pub use counters::{Counters, RECORD_BYTES, Totals, on_disk};
pub use dirs::{keep_newest, remove_leftover};
pub use disk::Disk;
pub use dry_run::Mode;
pub use error::{StageError, StoreError};
pub use evict::{Evictor, Limits, LimitsError, PurgeFilter, Purged, Reason, Removed, Size, SizeError, Swept, Targets};
pub use export::{Exported, export};
pub use format::archive;
pub use format::kind::{INDEX, Kind, TEST_INPUTS, TEST_LOG, TEST_PASSED};
pub use format::layout::{Access, FORMAT, FORMER_FORMAT};
pub use format::namespace::{InvalidPartition, Namespace, Partition};
pub use format::origin::{BuildName, Origin};
pub use format::record::{CONDITIONS_KEPT, Conditional, Record, kind_letter, kind_of_letter};
pub use get::Found;
pub use go_commands::{GoCommand, GoCommands, GoFigures, GoSum};
pub use layer::Layer;
pub use object::integrity_mtime::{is_unmodified, open_regular};
pub use object::staged_body::StagedBody;
pub use open::FORMER_FORMAT_NOTICE;
pub use own_dir::own_store_dir;
pub use put::{Published, Put, Replaces};
pub use recovery::{Recovery, Shutdown};
pub use unwritable::{Unwritable, unwritable};
pub use verify::Verified;
pub use view::View;

use format::layout::{self, Layout};
use get::test_inputs_action;
use object::integrity_mtime::{is_whole, open_plain};
use object::publish::{adopt_object, publish_object};
use open::Format;
use put::NamespaceWriter;
use record_dir::RecordDir;

/// Directories of a record that are made where they are missing: `records/<namespace>/<1 hex>`.
const RECORD_LEVELS: usize = 3;

/// An open store.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    format: Format,
    recovery: Recovery,
    counters: Counters,
}

impl Store {
    /// Opens the store in `root`, made where it is missing.
    ///
    /// # Errors
    /// A [`StoreError`]: no permission, no space, or a store of another format.
    pub fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        open::open(root, access).map(Self::of)
    }

    /// Opens the store in `root` for a program that only reads: nothing is made, and one of the format before stays one.
    ///
    /// # Errors
    /// A [`StoreError`]: no permission, or a store of another format.
    pub fn open_read_only(root: &Path) -> Result<Self, StoreError> {
        open::open_read_only(root).map(Self::of)
    }

    /// For a program that may work beside a daemon, right after the store was opened: a daemon that starts takes what is unfinished
    /// for its predecessor's.
    #[must_use]
    pub fn beside_daemon(self) -> Self {
        Self::of((self.layout.beside_daemon(), self.format))
    }

    fn of((layout, format): (Layout, Format)) -> Self {
        let (recovery, counters) = (Recovery::new(layout.clone()), Counters::new(layout.clone()));
        Self { layout, format, recovery, counters }
    }

    /// The directory given to [`Store::open`].
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Whether this store had the format before when it was opened: its records are not read, and removed by the next sweep.
    #[must_use]
    pub fn had_former_format(&self) -> bool {
        self.format == Format::Former
    }

    /// Whether nothing was ever stored here.
    #[must_use]
    pub fn is_new(&self) -> bool {
        dirs::is_empty(&self.layout.objects())
    }

    /// What may not have reached the disk, and syncs.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How much is in the store.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What removes entries.
    #[must_use]
    pub fn evictor(&self) -> Evictor<'_> {
        Evictor::new(&self.layout, &self.counters)
    }

    /// Reads everything and says what is damaged, or removes it. `progress` is called now and then with how many objects and records were
    /// read.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn verify(&self, mode: Mode, progress: &mut dyn FnMut(u64)) -> Result<Verified, StoreError> {
        verify::verify(&self.layout, mode, progress)
    }

    /// Stages a body: reads and checks it; nothing can be seen of it yet. `scratch` is the buffer to read with, 64 KiB long
    /// afterwards. Reads the body to its end whatever happens, unless reading itself fails.
    ///
    /// # Errors
    /// [`StageError`]: the body fails or is not this output, or it cannot be written.
    pub fn stage(&self, output: Output, body: &mut impl Read, scratch: &mut Vec<u8>) -> Result<StagedBody, StageError> {
        StagedBody::read(&self.layout, output, body, scratch)
    }

    /// Publishes a body as the output of an action, for everyone who reads what this view writes.
    ///
    /// The first output of an action and a condition (none is one, too) stays while its object is whole, unless
    /// `put` may replace it (docs/explanation/architecture.md, "Two outputs for one action").
    ///
    /// # Errors
    /// A [`StoreError`] where the object or the record cannot be written.
    pub fn put(&self, view: &View, put: &Put<'_>, body: &mut StagedBody) -> Result<Published, StoreError> {
        let record = put.record(body);
        self.writer(view)?.put(put, &record, || publish_object(&self.layout, body))
    }

    /// Publishes what a build has kept for itself under this record, as [`Store::put`]. Linked for a build, its file becomes the
    /// object. A build that could write to the file has it read and checked. `None` if it is not there as a whole.
    ///
    /// # Errors
    /// A [`StoreError`] where the object or the record cannot be written.
    pub fn share(
        &self,
        view: &View,
        put: &Put<'_>,
        (build, kept): (&BuildDir, &Record),
        exposure: Exposure,
    ) -> Result<Option<Published>, StoreError> {
        let output = kept.output;
        let record = put.record_of(kept);
        if !build.has_whole(output)? {
            return Ok(None);
        }
        let path = build.output(&output.id);
        if exposure == Exposure::Link {
            let adopt = || adopt_object(&self.layout, &path, output);
            return self.writer(view)?.put(put, &record, adopt).map(Some);
        }
        let mut file = open_plain(&path).map_err(StoreError::at("opening", &path))?;
        match self.stage(output, &mut file, &mut Vec::new()) {
            Ok(mut body) => self.writer(view)?.put(put, &record, || publish_object(&self.layout, &mut body)).map(Some),
            Err(StageError::Store(e)) => Err(e),
            Err(StageError::Body(_) | StageError::Length(_) | StageError::Digest) => Ok(None),
        }
    }

    /// Publishes an output that this view has under another condition, by that record, as [`Store::put`]. `None` if it is gone.
    ///
    /// # Errors
    /// A [`StoreError`] where the record cannot be written.
    pub fn put_again(&self, view: &View, put: &Put<'_>, known: &Record) -> Result<Option<Published>, StoreError> {
        if self.object(known.output)?.is_none() {
            return Ok(None);
        }
        self.writer(view)?.put(put, &put.record_of(known), || Ok(None)).map(Some)
    }

    fn writer<'a>(&'a self, view: &'a View) -> Result<NamespaceWriter<'a>, StoreError> {
        let (unsynced, records) = (self.recovery.unsynced(), self.written(view)?);
        Ok(NamespaceWriter { layout: &self.layout, unsynced, counters: &self.counters, records, view })
    }

    /// The records that this view writes.
    fn written(&self, view: &View) -> Result<RecordDir, StoreError> {
        view.writes.as_ref().map(|namespace| self.records(namespace)).ok_or(StoreError::ReadOnly)
    }

    /// Puts a test's result with the list of what the test looked at. The latest counts: an earlier one did not hold.
    ///
    /// # Errors
    /// A [`StoreError`] where a part of it cannot be written.
    pub fn put_test(
        &self,
        view: &View,
        put: &Put<'_>,
        inputs: &mut StagedBody,
        result: &mut StagedBody,
    ) -> Result<Published, StoreError> {
        let put = Put { replaces: Replaces::SameKind, condition: None, ..*put };
        // The list names its result: beside another result it says nothing, should only one of the two be replaced.
        match self.put(view, &Put { action: test_inputs_action(&put.action), ..put }, inputs)? {
            Published::New | Published::Again | Published::Outranks(_) => self.put(view, &put, result),
            other @ (Published::Conflict(_) | Published::Quarantined) => Ok(other),
        }
    }

    /// What is known of an action, in all namespaces of the view, the first ones first. Refreshes its time of last use, at most
    /// hourly.
    ///
    /// # Errors
    /// A [`StoreError`] where a record is damaged or cannot be read: a miss, worth a line in the log.
    pub fn get(&self, view: &View, action: &ActionId, now: SystemTime) -> Result<Found, StoreError> {
        let mut found = Found::default();
        for namespace in &view.reads {
            found.add(view, self.records(namespace).read_for_use(action, now)?);
        }
        Ok(found)
    }

    /// The list of a test's result, as [`Store::get`].
    ///
    /// # Errors
    /// As [`Store::get`].
    pub fn get_test_inputs(
        &self,
        view: &View,
        action: &ActionId,
        now: SystemTime,
    ) -> Result<Option<Record>, StoreError> {
        Ok(self.get(view, &test_inputs_action(action), now)?.plain)
    }

    /// The object's file, if it is there and holds the output. One that is to be verified is read, and removed if it holds
    /// something else now.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be looked at.
    pub fn object(&self, output: Output) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.object(&output.id);
        Ok(is_whole(&path, output, self.recovery.unsynced())?.then_some(path))
    }

    /// Where an object is, below the store's root: no leading slash, no extension (cmd/go refuses one).
    #[must_use]
    pub fn object_name(output: &OutputId) -> String {
        layout::object_name(output)
    }

    /// Makes the entry with this condition the newest one, if it is in the older half: it is in use, and the oldest goes first.
    ///
    /// # Errors
    /// A [`StoreError`] where that cannot be written.
    pub fn prefer(&self, view: &View, action: &ActionId, condition: &Condition) -> Result<(), StoreError> {
        let Some(namespace) = &view.writes else { return Ok(()) };
        let is_it = |known: &Record| known.condition.as_ref() == Some(condition);
        self.records(namespace).move_to_front(action, is_it, CONDITIONS_KEPT / 2)
    }

    /// Takes an output of this view out of service, as another build computed another one: nothing is shared for the action and this
    /// condition until it is purged or evicted. Returns live builds that it was exposed to, and what kept one from forgetting it.
    ///
    /// # Errors
    /// A [`StoreError`] where that cannot be written.
    pub fn quarantine(
        &self,
        view: &View,
        action: &ActionId,
        (output, condition): (&OutputId, Option<&Condition>),
    ) -> Result<(Vec<BuildId>, Option<StoreError>), StoreError> {
        quarantine::quarantine(&self.layout, &self.written(view)?, action, (output, condition))
    }

    /// Forgets a record that this view wrote, unless it changed meanwhile. The object stays: its path may have been given out.
    ///
    /// # Errors
    /// A [`StoreError`] where the record is there and cannot be removed.
    pub fn forget(&self, view: &View, action: &ActionId, record: &Record) -> Result<(), StoreError> {
        self.written(view)?.forget(action, record)
    }

    /// Makes the directory of a new build.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be made; what was made of it is removed.
    pub fn create_build(&self, id: BuildId) -> Result<BuildDir, StoreError> {
        BuildDir::create(&self.layout, self.recovery.unsynced(), id)
    }

    /// The directory of a build made before.
    #[must_use]
    pub fn open_build(&self, id: BuildId) -> BuildDir {
        BuildDir::open(&self.layout, self.recovery.unsynced(), id)
    }

    /// The builds that have a directory.
    ///
    /// # Errors
    /// A [`StoreError`] where they cannot be listed.
    pub fn builds(&self) -> Result<Vec<BuildId>, StoreError> {
        Ok(dirs::names(&self.layout.builds())?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// What an earlier process left unfinished, and the records of the format before. Only for a process that has the store for itself.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be listed.
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, StoreError> {
        let unfinished = dirs::names(self.layout.tmp())?.into_iter().map(|name| self.layout.tmp().join(name));
        let former = Some(self.layout.former_records()).filter(|dir| dir.exists());
        Ok(unfinished.chain(former).collect())
    }

    /// Replaces a small file of the store's user in its root as a whole.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        object::atomic_rename::write_small(self.layout.tmp(), path, bytes, 0)
    }

    fn records(&self, namespace: &Namespace) -> RecordDir {
        RecordDir::new(self.layout.records(namespace), self.layout.tmp().to_owned(), RECORD_LEVELS)
    }
}
