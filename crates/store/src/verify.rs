//! Verification: reads each object's bytes and looks for each record's object.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use proto::{ActionId, OutputId};

use crate::blinded_table::revoke_tables;
use crate::dirs::{names, remove_file, subdirectories};
use crate::dry_run::Mode;
use crate::error::{StoreError, keep_error};
use crate::format::layout::Layout;
use crate::format::record::Record;
use crate::object::integrity_mtime::holds;
use crate::record_dir::RecordDir;

/// How many damaged files are named.
const MAX_NAMED: usize = 10;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Entries that have an intact output. An entry may have several, each under a condition of its own.
    pub entries: u64,
    /// Their intact outputs.
    pub outputs: u64,
    /// Intact objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that do not hold what they are named after.
    pub damaged_objects: u64,
    /// Records that are damaged.
    pub damaged_records: u64,
    /// Outputs of entries whose object is damaged or not there.
    pub lost_outputs: u64,
    /// The files of damaged objects and records, the first ten.
    pub damaged_files: Vec<String>,
    /// Files that are not ours. They are left alone.
    pub foreign: u64,
    /// What could not be read or removed, the first ten.
    pub errors: Vec<String>,
}

impl Verified {
    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damaged_objects + self.damaged_records + self.lost_outputs == 0 && self.errors.is_empty()
    }
}

pub(crate) fn verify(layout: &Layout, mode: Mode, progress: &mut dyn FnMut(u64)) -> Result<Verified, StoreError> {
    let mut walk = Walk { layout, mode, found: Verified::default(), damaged: HashSet::new() };
    for dir in subdirectories(&layout.objects())? {
        for name in names(&dir)? {
            walk.object(&dir.join(&name), name.parse().ok());
        }
        progress(walk.found.objects + walk.found.entries);
    }
    for namespace in subdirectories(&layout.all_records())? {
        let records = RecordDir::new(namespace.clone(), layout.tmp().to_owned(), 0);
        for dir in subdirectories(&namespace)? {
            for name in names(&dir)? {
                walk.record(&records, &dir.join(&name), name.parse().ok());
            }
            progress(walk.found.objects + walk.found.entries);
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    layout: &'a Layout,
    mode: Mode,
    found: Verified,
    /// The outputs whose objects are damaged: what names them is lost with them.
    damaged: HashSet<OutputId>,
}

impl Walk<'_> {
    fn object(&mut self, path: &Path, output: Option<OutputId>) {
        let Some(output) = output else {
            self.found.foreign += 1;
            return;
        };
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == ErrorKind::NotFound => return, // evicted meanwhile
            Err(e) => return keep_error(&mut self.found.errors, &StoreError::at("reading", path)(e)),
        };
        if !metadata.is_file() {
            self.found.foreign += 1;
            return;
        }
        match holds(path, &output) {
            Ok(true) => {
                self.found.objects += 1;
                self.found.bytes += metadata.len();
            }
            Ok(false) if !path.exists() => {} // evicted meanwhile
            Ok(false) => {
                self.found.damaged_objects += 1;
                self.damaged.insert(output);
                self.damaged_file(path);
            }
            Err(e) => keep_error(&mut self.found.errors, &e),
        }
    }

    fn record(&mut self, records: &RecordDir, path: &Path, action: Option<ActionId>) {
        let Some(action) = action else {
            self.found.foreign += 1;
            return;
        };
        match records.read_with_last_use(&action) {
            Ok(Some((lines, _))) => {
                self.found.damaged_records += lines.damaged;
                if lines.damaged > 0 {
                    self.name_damaged(path); // its other lines are kept
                }
                let lost: Vec<_> = lines.records.iter().filter(|record| self.is_lost(record)).collect();
                self.found.lost_outputs += lost.len() as u64;
                let intact = lines.records.len() - lost.len();
                self.found.entries += u64::from(intact > 0);
                self.found.outputs += intact as u64;
                if (lines.damaged > 0 || !lost.is_empty()) && self.mode == Mode::Apply {
                    let kept = records.retain(&action, |record| !lost.contains(&record));
                    kept.unwrap_or_else(|e| keep_error(&mut self.found.errors, &e));
                }
            }
            Ok(None) => {} // evicted meanwhile
            Err(StoreError::DamagedRecord { .. }) => {
                self.found.damaged_records += 1;
                self.damaged_file(path);
            }
            Err(e) => keep_error(&mut self.found.errors, &e),
        }
    }

    /// Whether the object of a record is damaged, or not there, or of another size. One that cannot be looked at may be there.
    fn is_lost(&mut self, record: &Record) -> bool {
        if self.damaged.contains(&record.output.id) {
            return true;
        }
        let object = self.layout.object(&record.output.id);
        match fs::symlink_metadata(&object) {
            Ok(metadata) => metadata.len() != record.output.size,
            Err(e) if e.kind() == ErrorKind::NotFound => true,
            Err(e) => {
                keep_error(&mut self.found.errors, &StoreError::at("reading", &object)(e));
                false
            }
        }
    }

    fn name_damaged(&mut self, path: &Path) {
        if self.found.damaged_files.len() < MAX_NAMED {
            self.found.damaged_files.push(path.display().to_string());
        }
    }

    /// Names a damaged file, and removes it where that is wanted. What a daemon writes again in this moment may go with it: it is built
    /// once more.
    fn damaged_file(&mut self, path: &Path) {
        self.name_damaged(path);
        if self.mode == Mode::DryRun {
            return;
        }
        let removed = remove_file(path);
        // A table may name it.
        let revoked = revoke_tables(self.layout).map_err(StoreError::at("revoking tables in", &self.layout.builds()));
        for e in [removed, revoked].into_iter().filter_map(Result::err) {
            keep_error(&mut self.found.errors, &e);
        }
    }
}
