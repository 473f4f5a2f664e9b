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

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::blinded_table::{Answer, Head, Link, MOST, SLOT, WITHDRAWN};
use proto::wire::Toolchain;
use proto::{ActionId, BuildId, OutputId};

use crate::build_dir::BuildDir;
use crate::dirs::{Existing, make_dir, names};
use crate::error::StoreError;
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::object::integrity_mtime::{PLAIN, State, open_regular, state};

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
        let Ok(Some(table)) = open(self.directory(), false) else { return Vec::new() };
        actions.iter().filter_map(|action| Some((*action, find(&table, action)?.0))).collect()
    }

    /// Whether the build's table named this output, also where the table is revoked by now.
    #[must_use]
    pub fn has_link(&self, output: &OutputId) -> bool {
        has_link(self.directory(), std::iter::once(*output))
    }

    /// Takes the answer for an action out of the table, unless it is this output: the build has another one of its own.
    ///
    /// # Errors
    /// A [`StoreError`] where the answer stays.
    pub fn withdraw(&self, action: &ActionId, own: &OutputId) -> Result<(), StoreError> {
        let failed = |e| StoreError::at("writing", &self.table())(e);
        let Some(table) = open(self.directory(), true).map_err(failed)? else { return Ok(()) };
        match find(&table, action) {
            Some((answer, offset)) if answer.output.id != *own => {
                table.write_all_at(&WITHDRAWN, offset).map_err(failed)
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

    /// Writes the table, for go commands with this toolchain, without the answers for actions of which the build has an output of its own
    /// by now. Returns how many it has.
    ///
    /// # Errors
    /// A [`StoreError`] where it cannot be written, or was revoked meanwhile: no go command uses it.
    pub fn finish(
        mut self,
        salt: [u8; 32],
        toolchain: &Toolchain,
        own: &HashSet<ActionId>,
    ) -> Result<usize, StoreError> {
        self.answers.retain(|(action, _)| !own.contains(action));
        let bytes = Head::new(self.answers.len(), salt, toolchain).table(&self.answers);
        let (head, slots) = bytes.split_at(SLOT);
        let write = || {
            self.file.write_all_at(slots, SLOT as u64)?;
            // Who revokes it removes it first, and then cuts it: a client may have the file open.
            if self.file.metadata()?.nlink() == 0 {
                return Err(ErrorKind::NotFound.into());
            }
            self.file.write_all_at(head, 0)
        };
        write().map_err(StoreError::at("writing", &self.build.table()))?;
        Ok(self.answers.len())
    }
}

/// The answer for an action, and where it is in the file.
fn find(table: &File, action: &ActionId) -> Option<(Answer, u64)> {
    let mut head = [0; SLOT];
    table.read_exact_at(&mut head, 0).ok()?;
    Head::read(&head)?.look_up(action, |slots, at| table.read_at(slots, at))
}

/// The table in a build's directory, if we made one. A build under our own uid may have put a pipe or a link in its place: neither is waited
/// for, nor followed, and such a build has no secret.
fn open(dir: &Path, writes: bool) -> io::Result<Option<File>> {
    if secret(dir).is_none() {
        return Ok(None);
    }
    match OpenOptions::new().read(true).write(writes).custom_flags(PLAIN).open(dir.join("view/table")) {
        Ok(table) if table.metadata()?.is_file() => Ok(Some(table)),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        Ok(_) | Err(_) => Ok(None),
    }
}

fn secret(dir: &Path) -> Option<[u8; 32]> {
    fs::read(dir.join("secret")).ok()?.as_slice().try_into().ok()
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
    let dir = layout.build(id);
    let Some(table) = open(&dir, true)? else { return Ok(()) };
    let removed = fs::remove_file(dir.join("view/table")).or_else(|e| match e.kind() {
        ErrorKind::NotFound => Ok(()), // revoked by another process, or the build was removed
        _ => Err(e),
    });
    table.set_len(0).and(removed)
}

/// Whether the table of the build with this directory named one of these outputs.
pub(crate) fn has_link(dir: &Path, mut outputs: impl Iterator<Item = OutputId>) -> bool {
    let Some(secret) = secret(dir) else { return false };
    outputs.any(|output| link_path(dir, &secret, &output).symlink_metadata().is_ok())
}

/// Opens an output that a build was given, by the daemon or by its table. `dir` is the build's directory, which may have been set aside.
///
/// # Errors
/// Where it was given none, or another file is in its place.
pub fn open_given(dir: &Path, output: &OutputId) -> io::Result<File> {
    open_regular(&dir.join("view/o").join(output.to_string())).or_else(|e| match secret(dir) {
        Some(secret) => open_regular(&link_path(dir, &secret, output)),
        None => Err(e),
    })
}

fn link_path(dir: &Path, secret: &[u8; 32], output: &OutputId) -> PathBuf {
    dir.join("view/p").join(Link::new(secret, output).file_name())
}
