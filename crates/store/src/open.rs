//! Opens a store: makes the directories that are missing, and checks that the format is one that this code reads.
//!
//! layout.rs knows the names; nothing is read here except the `format` file.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use crate::dirs::{Existing, make_dir};
use crate::error::StoreError;
use crate::format::layout::{Access, FORMAT, FORMER_FORMAT, Layout};
use crate::object::integrity_mtime::open_regular;

/// Bytes of a `format` file that are read.
const LONGEST: u64 = 1 << 10;

/// What a program says that opened a store of the format before.
pub const FORMER_FORMAT_NOTICE: &str = "the entries were written by an earlier version and cannot be read: \
    they are removed, and Go builds their outputs again";

/// Whether a store had the format before when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// It has the format of today, or is new.
    Current,
    /// It had the format before.
    Former,
}

/// Opens the store in `root`, made where it is missing.
pub(crate) fn open(root: &Path, access: Access) -> Result<(Layout, Format), StoreError> {
    let layout = layout(root, access)?;
    let found = make_directories(&layout)?;
    Ok((layout, found))
}

/// As [`open`], for a program that only reads: nothing is made or changed.
pub(crate) fn open_read_only(root: &Path) -> Result<(Layout, Format), StoreError> {
    let layout = layout(root, Access::Owner)?;
    let is_former = read_format(&layout.format_file())? == FORMER_FORMAT;
    Ok((layout, if is_former { Format::Former } else { Format::Current }))
}

/// As [`open_read_only`], of a store of today's format that is there.
pub(crate) fn open_existing(root: &Path) -> Result<Layout, StoreError> {
    let (layout, format) = open_read_only(root)?;
    let path = layout.format_file();
    match format {
        Format::Current if path.exists() => Ok(layout),
        Format::Current => Err(StoreError::Format { path, found: String::new() }),
        Format::Former => Err(StoreError::Format { path, found: "that of an earlier version".to_owned() }),
    }
}

/// Paths are handed out and must not depend on anyone's working directory.
fn layout(root: &Path, access: Access) -> Result<Layout, StoreError> {
    let root = std::path::absolute(root).map_err(StoreError::at("finding", root))?;
    Ok(Layout::new(root, access))
}

/// Makes the directories that are missing.
pub(crate) fn make_directories(layout: &Layout) -> Result<Format, StoreError> {
    make_dir(layout.root(), layout.access().mode(), Existing::Widen)?;
    let found = check_format(&layout.format_file())?;
    for (dir, mode) in layout.directories() {
        make_dir(&dir, mode, Existing::Leave)?;
    }
    Ok(found)
}

fn check_format(path: &Path) -> Result<Format, StoreError> {
    let found = read_format(path)?;
    if found == FORMAT {
        return Ok(Format::Current);
    }
    // Several processes may come here at once: all write the same bytes.
    let mut file = fs::File::create(path).map_err(StoreError::at("creating", path))?;
    file.write_all(FORMAT.as_bytes()).map_err(StoreError::at("writing", path))?;
    Ok(if found == FORMER_FORMAT { Format::Former } else { Format::Current })
}

/// The content of a `format` file: ours, the one before, or nothing where it is missing or a crash came right after it was made.
fn read_format(path: &Path) -> Result<String, StoreError> {
    // A layer may be anyone's: a pipe is not waited for, and of a long file the beginning is enough.
    let read = || {
        let mut text = String::new();
        open_regular(path)?.take(LONGEST).read_to_string(&mut text).map(|_| text)
    };
    match read() {
        Ok(text) if text.is_empty() || text == FORMAT || text == FORMER_FORMAT => Ok(text),
        Ok(text) => Err(StoreError::Format { path: path.to_owned(), found: text.trim().chars().take(80).collect() }),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(e) => Err(StoreError::at("reading", path)(e)),
    }
}
