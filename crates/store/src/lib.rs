//! The cache on disk. No sockets, no threads, no environment, no clock: times are arguments.
//!
//! The rules that everything here keeps:
//! - **The filesystem is the state.** No lock is needed to read or to publish; any number of processes share a store.
//! - **Whole or absent.** A file is written under a unique temporary name, checked, then renamed; an object comes before
//!   the record that names it. What is published is never written to again, only unlinked or renamed over.
//! - **Damage is a miss.** Whatever a record or an object lacks, the worst it causes is that Go builds the thing anew.
//!
//! Read in this order: layout.rs (names), record.rs (what an action file says), object.rs (how damage is told),
//! incoming.rs (a body on its way in), publish.rs (what becomes of a put), place.rs (the only renames), actions.rs (records in a
//! directory), view.rs (who shares what with whom), build.rs (what one sandboxed build may see).

mod actions;
pub mod archive;
mod build;
mod doubt;
mod error;
mod evict;
mod incoming;
mod kind;
mod layout;
mod limits;
mod namespace;
mod object;
mod origin;
mod place;
mod publish;
mod purge;
mod recent;
mod record;
mod survey;
mod sweep;
mod tally;
mod verify;
mod view;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proto::{ActionId, Condition, OutputId, Scope, ScopeDigest};

use actions::Actions;

pub use build::{BuildDir, Sharing, Shown, remove_leftover};
pub use error::{ReceiveError, StoreError};
pub use evict::{Limits, Reason};
pub use incoming::Incoming;
pub use kind::{INDEX, Kind, TEST_INPUTS, TEST_LOG, TEST_PASSED};
pub use layout::{Access, FORMAT, SET_ASIDE};
pub use limits::{Caps, CapsError, Disk, Size, SizeError};
pub use namespace::{Namespace, NoPartition, Partition};
pub use origin::{BuildName, Origin};
pub use publish::Published;
pub use purge::{Purged, Which};
pub use recent::Recent;
pub use record::{Record, kind_of, letter};
pub use sweep::{Share, Swept};
pub use tally::{Census, RECORD, on_disk};
pub use verify::{Unwanted, Verified};
pub use view::View;

use layout::Layout;
use tally::Tally;

/// Directories of a record that are made where they are missing: `records/<namespace>/<1 hex>`.
const ACTION_LEVELS: usize = 3;

/// An open store.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    tally: Tally,
}

/// What a put says of itself beside its body.
#[derive(Debug, Clone, Copy)]
pub struct Put<'a> {
    /// The action that was carried out.
    pub action: ActionId,
    /// When it was put.
    pub time: SystemTime,
    /// Milliseconds from the session's miss to this put: what a hit saves. 0 if unknown.
    pub cost_ms: u64,
    /// Who puts it ([`View::origin`]).
    pub origin: &'a Origin,
    /// When it is true for others; `None`: whenever they ask for the action.
    pub condition: Option<&'a Condition>,
    /// Which earlier output of the action it may replace.
    pub replaces: Replaces,
}

/// What is known of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It has this output for whoever asks.
    Plain(Record),
    /// It has these outputs where the scope has one of the digests: at most [`proto::limits::CONDITIONS`], the newest first, and
    /// at least one.
    Conditional(Scope, Vec<(ScopeDigest, Record)>),
}

impl Found {
    /// Of records with several scopes those of the newest count.
    fn of(records: Vec<Record>) -> Option<Self> {
        let first = records.first()?;
        let Some(Condition { scope, .. }) = first.condition.clone() else {
            return records.into_iter().next().map(Self::Plain);
        };
        let candidate = |record: Record| match &record.condition {
            Some(condition) if condition.scope == scope => Some((condition.digest, record)),
            Some(_) | None => None,
        };
        let candidates = records.into_iter().filter_map(candidate).collect();
        Some(Self::Conditional(scope, candidates))
    }
}

/// Whether a put may replace another output of its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// No: the first stays, as others rely on it.
    Nothing,
    /// One of the same kind: a test's log by that of a later run, and its result. Never what others compile with.
    SameKind,
    /// Yes: the store has one user, and this is what Go's own cache does (`go build -a` mends a stale entry by it).
    Any,
}

impl Store {
    /// Opens the store in `root`, made where it is missing.
    ///
    /// # Errors
    /// A [`StoreError`] that names the path: no permission, no space, or a store of another format.
    pub fn open(root: &Path, access: Access) -> Result<Self, StoreError> {
        Ok(Self { layout: Layout::open(root, access)?, tally: Tally::default() })
    }

    /// Opens the store in `root` for who only looks: nothing is made, and one of the format before stays one.
    ///
    /// # Errors
    /// A [`StoreError`]: no permission, or a store of another format.
    pub fn look(root: &Path) -> Result<Self, StoreError> {
        Ok(Self { layout: Layout::look(root)?, tally: Tally::default() })
    }

    /// For a program that may work beside a daemon: a daemon that starts takes what is unfinished for its predecessor's.
    #[must_use]
    pub fn beside_a_daemon(mut self) -> Self {
        self.layout.set_beside();
        self
    }

    /// Whether this store had the format before when it was opened: its records are not read, and removed by the next sweep.
    #[must_use]
    pub fn was_of_format_before(&self) -> bool {
        self.layout.was_former()
    }

    /// Reads everything and says what is damaged, or removes it.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn verify(&self, damage: Unwanted) -> Result<Verified, StoreError> {
        self.verify_and_tell(damage, &mut |_| {})
    }

    /// As [`Store::verify`]; `seen` is told now and then how many objects and records were read.
    ///
    /// # Errors
    /// As [`Store::verify`].
    pub fn verify_and_tell(&self, damage: Unwanted, seen: &mut dyn FnMut(u64)) -> Result<Verified, StoreError> {
        verify::verify(&self.layout, damage, seen)
    }

    /// The directory given to [`Store::open`].
    #[must_use]
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Takes in a body of `size` bytes and checks it; nothing can be seen of it yet. `scratch` is the buffer to read
    /// with, 64 KiB long afterwards. Reads the body to its end whatever happens, unless reading itself fails.
    ///
    /// # Errors
    /// [`ReceiveError`]: the body fails or is not what was said, or it cannot be written.
    pub fn receive(
        &self,
        output: OutputId,
        size: u64,
        body: &mut impl Read,
        scratch: &mut Vec<u8>,
    ) -> Result<Incoming, ReceiveError> {
        Incoming::receive(&self.layout, (output, size), body, scratch)
    }

    /// Publishes a body as the output of an action, for everyone who reads what this view writes.
    ///
    /// The first output of an action (under a condition: of an action and a condition) stays while its object is whole, unless
    /// `put` may replace it (docs/explanation/architecture.md, "Two outputs for one action").
    ///
    /// # Errors
    /// A [`StoreError`] where the object or the record cannot be written.
    pub fn publish(&self, view: &View, put: &Put<'_>, body: &mut Incoming) -> Result<Published, StoreError> {
        publish::publish(self, &self.actions(&view.writes), put, body)
    }

    /// Publishes a test's result with the list of what the test looked at. The latest counts: an earlier one did not hold.
    ///
    /// # Errors
    /// A [`StoreError`] where something of it cannot be written.
    pub fn publish_test(
        &self,
        view: &View,
        put: &Put<'_>,
        inputs: &mut Incoming,
        result: &mut Incoming,
    ) -> Result<Published, StoreError> {
        let put = Put { replaces: Replaces::SameKind, condition: None, ..*put };
        // The list names its result: with another one's it says nothing, should only one of the two be replaced.
        match self.publish(view, &Put { action: inputs_of(&put.action), ..put }, inputs)? {
            Published::New | Published::Again => self.publish(view, &put, result),
            conflict @ Published::Conflict(_) => Ok(conflict),
        }
    }

    /// The list of a test's result, as [`Store::find`].
    ///
    /// # Errors
    /// As [`Store::find`].
    pub fn find_inputs(&self, view: &View, action: &ActionId, now: SystemTime) -> Result<Option<Record>, StoreError> {
        Ok(match self.find(view, &inputs_of(action), now)? {
            Some(Found::Plain(record)) => Some(record),
            Some(Found::Conditional(..)) | None => None,
        })
    }

    /// What is known of an action, in the first namespace of the view that knows of it. Refreshes its time of last use, at most
    /// hourly.
    ///
    /// # Errors
    /// A [`StoreError`] where a record is damaged or cannot be read: a miss, worth a line in the log.
    pub fn find(&self, view: &View, action: &ActionId, now: SystemTime) -> Result<Option<Found>, StoreError> {
        for namespace in &view.reads {
            let found = self.actions(namespace).find(action, now)?;
            if !found.is_empty() {
                return Ok(Found::of(found));
            }
        }
        Ok(None)
    }

    /// The object's file, if it is there and holds the output. One that something wrote to is read, and removed if it
    /// holds something else now.
    ///
    /// # Errors
    /// A [`StoreError`] where the file cannot be looked at.
    pub fn object(&self, output: &OutputId, size: u64) -> Result<Option<PathBuf>, StoreError> {
        let path = self.layout.object(output);
        Ok(object::is_whole(&path, output, size, self.layout.doubt())?.then_some(path))
    }

    /// Where an object is, below the store's root: no leading slash, no extension (cmd/go refuses one).
    #[must_use]
    pub fn object_name(output: &OutputId) -> String {
        layout::object_name(output)
    }

    /// Forgets a record that this view wrote, unless it changed meanwhile. The object stays: its path may have been told.
    ///
    /// # Errors
    /// A [`StoreError`] where the record is there and cannot be removed.
    pub fn forget(&self, view: &View, action: &ActionId, record: &Record) -> Result<(), StoreError> {
        self.actions(&view.writes).forget(action, record)
    }

    /// The records of what this view wrote with their actions, damaged ones left out.
    ///
    /// # Errors
    /// A [`StoreError`] where a directory cannot be listed.
    pub fn list(&self, view: &View) -> Result<Vec<(ActionId, Record)>, StoreError> {
        self.actions(&view.writes).list()
    }

    /// Replaces a small file of the store's user in its root as a whole.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        place::write_small(self.layout.tmp(), path, bytes, 0)
    }

    fn actions(&self, namespace: &Namespace) -> Actions {
        Actions::new(self.layout.records(namespace), self.layout.tmp().to_owned(), ACTION_LEVELS)
    }
}

/// The action under which the list of a test's inputs is kept: one that cmd/go never asks for.
fn inputs_of(action: &ActionId) -> ActionId {
    ActionId(*blake3::Hasher::new().update(b"nix-gocacheprog test inputs").update(&action.0).finalize().as_bytes())
}
