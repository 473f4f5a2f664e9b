//! The blinded table of a live build on the disk, and the links that it names (proto: `blinded_table.rs`, the format).
//!
//! ```text
//! builds/<build id>/
//!     secret                  0600, from which the names of links are made
//!     view/table              0644
//!     view/p/<link>           0444, outputs that the table names; p itself cannot be listed by the build
//! ```
//!
//! The rule to keep: the table's file is there before anything is looked up for it, and its head is written last. So whatever is taken
//! out of service meanwhile finds a table to revoke, and a go command uses a whole table or none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::blinded_table::{Answer, Head, Link, MOST, PROBES, SLOT, WITHDRAWN};
use proto::wire::Toolchain;
use proto::{ActionId, BuildId, OutputId};

use crate::build_dir::BuildDir;
use crate::dirs::{Existing, make_dir, names};
use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::object::integrity_mtime::{State, state};

/// Bytes of outputs that one table may name: they stay on the disk until the build ends. A build of Kubernetes asks for some ten GiB,
/// one of Caddy for half of one.
const MOST_BYTES: u64 = 4 << 30;

/// A table that is being made.
#[derive(Debug)]
pub struct NewTable<'a> {
    build: &'a BuildDir,
    file: File,
    secret: [u8; 32],
    answers: Vec<(ActionId, Answer)>,
    bytes: u64,
}

impl BuildDir {
    /// Begins the table of a build, which has none yet. `secret` is random.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be made.
    pub fn begin_table(&self, secret: [u8; 32]) -> Result<NewTable<'_>, StoreError> {
        make_dir(&self.links(), 0o711, Existing::Leave)?;
        self.write_secret(&secret)?;
        let path = self.table();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let file = file.map_err(StoreError::at("creating", &path))?;
        Ok(NewTable { build: self, file, secret, answers: Vec::new(), bytes: 0 })
    }

    /// The answers that the build's table has for these actions, as long as it has a table.
    #[must_use]
    pub fn table_answers(&self, actions: &[ActionId]) -> Vec<(ActionId, Answer)> {
        let Ok(file) = File::open(self.table()) else { return Vec::new() };
        actions.iter().filter_map(|action| Some((*action, find(&file, action)?.0))).collect()
    }

    /// Takes the answer for an action out of the table, unless it is this output: the build has another one of its own.
    ///
    /// # Errors
    /// A [`StoreError`] where the answer stays.
    pub fn withdraw(&self, action: &ActionId, own: Option<&OutputId>) -> Result<(), StoreError> {
        let (path, failed) = (self.table(), |e| StoreError::at("writing", &self.table())(e));
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(failed)?,
        };
        match find(&file, action) {
            Some((answer, offset)) if Some(&answer.output.id) != own => {
                file.write_all_at(&WITHDRAWN, offset).map_err(failed)
            }
            Some(_) | None => Ok(()),
        }
    }

    fn table(&self) -> PathBuf {
        self.view().join("table")
    }

    fn links(&self) -> PathBuf {
        self.view().join("p")
    }
}

impl NewTable<'_> {
    /// Adds the answer for an action, with a link to its output. False where that is not possible: the output is gone, or is to be
    /// verified first, no link can be made, or there are too many.
    pub fn add(&mut self, action: ActionId, record: &Record) -> bool {
        let is_full = self.answers.len() >= MOST || self.bytes + record.output.size > MOST_BYTES;
        let link = Link::new(&self.secret, &record.output.id);
        if is_full || !self.is_linked(link, record) {
            return false;
        }
        let cost_ms = u32::try_from(record.cost_ms).unwrap_or(u32::MAX);
        let is_package = record.kind.is_package();
        self.answers.push((action, Answer { output: record.output, time: record.time, link, cost_ms, is_package }));
        self.bytes += record.output.size;
        true
    }

    fn is_linked(&self, link: Link, record: &Record) -> bool {
        let (object, path) = (self.build.layout().object(&record.output.id), self.build.links().join(link.file_name()));
        let is_whole = |path: &Path| matches!(state(path, record.output, self.build.unsynced()), Ok(State::Whole));
        // A link changes the file's ctime, by which what is to be verified is known: looked at before, and not after alone.
        if !is_whole(&object) {
            return false;
        }
        match fs::hard_link(&object, &path) {
            Ok(()) => is_whole(&path),
            Err(e) => e.kind() == ErrorKind::AlreadyExists && is_whole(&path), // several actions have one output
        }
    }

    /// Writes the table, for go commands with this toolchain; returns the actions that it has.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written: no go command uses it.
    pub fn finish(self, salt: [u8; 32], toolchain: &Toolchain) -> Result<Vec<ActionId>, StoreError> {
        let bytes = Head::new(self.answers.len(), salt, toolchain).table(&self.answers);
        let (head, slots) = bytes.split_at(SLOT);
        let written = self.file.write_all_at(slots, SLOT as u64).and_then(|()| self.file.write_all_at(head, 0));
        written.map_err(StoreError::at("writing", &self.build.table()))?;
        Ok(self.answers.into_iter().map(|(action, _)| action).collect())
    }
}

/// The answer for an action, and where it is in the file.
fn find(file: &File, action: &ActionId) -> Option<(Answer, u64)> {
    let mut head = [0; SLOT];
    file.read_exact_at(&mut head, 0).ok()?;
    let head = Head::read(&head)?;
    let (offset, mut slots) = (head.offset(action), [0; PROBES * SLOT]);
    let read = file.read_at(&mut slots, offset).ok()?;
    let (answer, behind) = head.find(action, &slots[..read])?;
    Some((answer, offset + behind))
}

/// Takes the tables of all live builds out of service, those that are being made, too. Go commands that run find them empty. The links
/// stay: go commands were told of them.
pub(crate) fn revoke_tables(layout: &Layout) -> io::Result<()> {
    let mut failed = Ok(());
    for id in names(&layout.builds()).unwrap_or_default().iter().filter_map(|name| name.parse().ok()) {
        if let Err(e) = revoke(layout, &id) {
            failed = Err(e);
        }
    }
    failed
}

fn revoke(layout: &Layout, id: &BuildId) -> io::Result<()> {
    let table = layout.build(id).join("view/table");
    match OpenOptions::new().write(true).open(&table) {
        Ok(file) => file.set_len(0).and_then(|()| fs::remove_file(&table)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Whether a build's table named one of these outputs.
pub(crate) fn has_link(layout: &Layout, id: &BuildId, mut outputs: impl Iterator<Item = OutputId>) -> bool {
    let dir = layout.build(id);
    let Ok(Ok(secret)) = fs::read(dir.join("secret")).map(|bytes| <[u8; 32]>::try_from(bytes.as_slice())) else {
        return false;
    };
    let links = dir.join("view/p");
    outputs.any(|output| links.join(Link::new(&secret, &output).file_name()).symlink_metadata().is_ok())
}
