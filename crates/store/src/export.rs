//! Writes a layer: what of a store is the same on each machine. The same entries give the same bytes: sorted, without times, costs,
//! builds and names.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use proto::{ActionId, Output, OutputId};
use sha2::{Digest, Sha256};

use crate::dirs::{names, subdirectories};
use crate::error::StoreError;
use crate::format::layout::{Access, FORMAT, Layout, fan_out};
use crate::format::namespace::Partition;
use crate::format::origin::{BuildName, Origin};
use crate::format::record::{Conditional, Lines, Record};
use crate::object::integrity_mtime::open_plain;
use crate::open;
use crate::record_dir::RecordDir;

/// What a layer has.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Entries.
    pub entries: u64,
    /// Distinct outputs.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries of the store that are not in it: private ones, those of one user, in quarantine, without their object, or with such a condition.
    pub left_out: u64,
}

/// Writes a layer ([`crate::Layer`]) of what the store in `root` has into `to`, an empty directory or none. The same entries give the same
/// bytes. Nothing is written to the store.
///
/// # Errors
/// A [`StoreError`] where the store cannot be listed, or the layer not be written.
pub fn export(root: &Path, to: &Path, conditional: Conditional) -> Result<Exported, StoreError> {
    let from = open::open_existing(root)?;
    make_empty(to)?;
    let to = Layout::new(to.to_owned(), Access::Owner);
    write(&to.format_file(), FORMAT.as_bytes())?;
    let mut export =
        Export { from: &from, to: &to, conditional, objects: HashMap::new(), exported: Exported::default() };
    for namespace in subdirectories(&from.all_records())? {
        let records = RecordDir::new(namespace.clone(), from.tmp().to_owned(), 0);
        let is_common = Partition::of_namespace(&namespace) == Partition::Common;
        let into = to.all_records().join(namespace.file_name().unwrap_or_default());
        for dir in subdirectories(&namespace)? {
            for action in names(&dir)?.iter().filter_map(|name| name.parse().ok()) {
                // What is damaged, or went meanwhile, is left out.
                let known = records.read(&action).unwrap_or_default();
                if is_common {
                    export.entry(&into, &action, known)?;
                } else {
                    export.exported.left_out += known.len() as u64;
                }
            }
        }
    }
    Ok(export.exported)
}

struct Export<'a> {
    from: &'a Layout,
    to: &'a Layout,
    conditional: Conditional,
    /// Whether each output that was asked for is in the layer.
    objects: HashMap<OutputId, bool>,
    exported: Exported,
}

impl Export<'_> {
    fn entry(&mut self, into: &Path, action: &ActionId, known: Vec<Record>) -> Result<(), StoreError> {
        let mut kept = Vec::new();
        for record in known {
            // What another machine signed is for those who trust its key, and a layer has no keys.
            let is_own = record.origin.key.is_none();
            if is_own && record.is_of_any_machine(self.conditional) && self.has_object(record.output)? {
                kept.push(of_no_build(record));
            } else {
                self.exported.left_out += 1;
            }
        }
        if kept.is_empty() {
            return Ok(());
        }
        self.exported.entries += kept.len() as u64;
        kept.sort_by_cached_key(|record| {
            record.condition.as_ref().map(|condition| (condition.scope.as_str().to_owned(), condition.digest.0))
        });
        write(&fan_out(into, &action.to_string()), Lines::text(&kept, action).as_bytes())
    }

    /// Copies an object, once. False where the store does not have it as a whole.
    fn has_object(&mut self, output: Output) -> Result<bool, StoreError> {
        if let Some(known) = self.objects.get(&output.id) {
            return Ok(*known);
        }
        let path = self.to.object(&output.id);
        let is_whole = copy(&self.from.object(&output.id), &path, output)?;
        if is_whole {
            self.exported.objects += 1;
            self.exported.bytes += output.size;
        }
        self.objects.insert(output.id, is_whole);
        Ok(is_whole)
    }
}

/// The same entry, of no build.
fn of_no_build(record: Record) -> Record {
    let origin =
        Origin { build: None, name: BuildName::default(), witness: None, partition: Partition::Common, key: None };
    Record { time: UNIX_EPOCH + Duration::from_secs(1), cost_ms: 0, origin, ..record }
}

fn make_empty(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::at("making", dir))?;
    let is_empty = fs::read_dir(dir).map_err(StoreError::at("reading", dir))?.next().is_none();
    let not_empty = || StoreError::at("writing into", dir)(ErrorKind::DirectoryNotEmpty.into());
    if is_empty { Ok(()) } else { Err(not_empty()) }
}

/// Copies a file if it holds the output.
fn copy(from: &Path, to: &Path, output: Output) -> Result<bool, StoreError> {
    let mut bytes = Vec::new();
    // What cannot be read is left out, as what is damaged.
    let read = open_plain(from).and_then(|file| file.take(output.size.saturating_add(1)).read_to_end(&mut bytes));
    if read.is_err() {
        return Ok(false);
    }
    let is_whole = bytes.len() as u64 == output.size && Sha256::digest(&bytes)[..] == output.id.0;
    if is_whole {
        write(to, &bytes)?;
    }
    Ok(is_whole)
}

/// Writes a file that is there for good.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.set_permissions(fs::Permissions::from_mode(0o444))
    };
    write().map_err(StoreError::at("writing", path))
}
