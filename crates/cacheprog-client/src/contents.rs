//! What is at a path, in one word made of content; within a budget, as others choose the paths.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::id::hex;
use sha2::{Digest, Sha256};

/// Files and names in directories that one look takes in, and the bytes read and the time spent for it. Typical are ten files.
const MOST_NAMES: u32 = 50_000;
const MOST_BYTES: u64 = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(1);

/// Directories in each other: the thread that looks has a small stack.
const DEEPEST: u32 = 64;

/// The kernel's file times lag behind its clock by a tick.
const TICK: Duration = Duration::from_millis(20);

#[expect(clippy::cast_possible_wrap, reason = "the flag is a small positive number")]
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits() as i32;

/// What may still be spent.
#[derive(Debug)]
pub(crate) struct Budget {
    names: u32,
    bytes: u64,
    until: Instant,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { names: MOST_NAMES, bytes: MOST_BYTES, until: Instant::now() + MOST_TIME }
    }

    fn take_name(&mut self) -> Option<()> {
        self.names = self.names.checked_sub(1)?;
        (Instant::now() < self.until).then_some(())
    }

    fn take_bytes(&mut self, bytes: u64) -> Option<()> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(())
    }
}

/// How a test looked at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// What kind of thing it is, and a file's size.
    Stat,
    /// Its content, or the names in it.
    Open,
}

/// What a path leads to. `None` for what cannot be told: a pipe or a device, no permission, or the budget is spent.
pub(crate) fn word(path: &Path, look: Look, budget: &mut Budget) -> Option<String> {
    budget.take_name()?;
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Some("absent".to_owned());
        }
        Err(_) => return None,
    };
    let mut hasher = Sha256::new();
    if metadata.is_symlink() {
        part(&mut hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
    }
    match fs::metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => hasher.update(b"nothing there"),
        Err(_) => return None,
        Ok(metadata) if metadata.is_dir() => {
            hasher.update(metadata.mode().to_le_bytes());
            if look == Look::Open {
                listing(&mut hasher, path, budget)?;
            }
        }
        // Its size and mode do not tell whether a test that looked at them would say the same: its content does.
        Ok(metadata) if metadata.is_file() => content(&mut hasher, path, &metadata, budget)?,
        Ok(_) => return None,
    }
    Some(hex(&hasher.finalize()))
}

/// What a module's tree holds.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    /// What is not the module's, should it lie in it.
    pub(crate) aside: Vec<PathBuf>,
}

impl Tree {
    /// The data of the module: everything below its root but Go's own sources (which are in the keys of what they are compiled
    /// to; below `testdata` they are data), its `vendor` and `.git`, and what is in `aside`.
    pub(crate) fn data(&self) -> Option<String> {
        let mut walk = Walk { tree: self, since: None, hasher: Some(Sha256::new()), budget: Budget::new() };
        walk.below(&self.root, DEEPEST, false)?;
        walk.hasher.map(|hasher| hex(&hasher.finalize()))
    }

    /// Whether nothing in it changed after `since`, sources and directories included.
    pub(crate) fn is_older(&self, since: SystemTime) -> bool {
        let Some(since) = since.checked_sub(TICK) else { return false };
        let mut walk = Walk { tree: self, since: Some(since), hasher: None, budget: Budget::new() };
        walk.below(&self.root, DEEPEST, false).is_some()
    }
}

/// A walk through a tree that hashes what it finds, or only looks at the times of it all.
struct Walk<'a> {
    tree: &'a Tree,
    since: Option<SystemTime>,
    hasher: Option<Sha256>,
    budget: Budget,
}

impl Walk<'_> {
    fn below(&mut self, dir: &Path, deeper: u32, is_data: bool) -> Option<()> {
        let mut entries: Vec<_> = fs::read_dir(dir).ok()?.map(|entry| entry.ok()).collect::<Option<_>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        is_older(&fs::symlink_metadata(dir).ok()?, self.since)?;
        for entry in entries {
            self.budget.take_name()?;
            let (name, path) = (entry.file_name(), entry.path());
            let is_go_s_own = *dir == self.tree.root && (name == "vendor" || name == ".git");
            if is_go_s_own || self.tree.aside.contains(&path) {
                continue;
            }
            let metadata = entry.metadata().ok()?;
            is_older(&metadata, self.since)?;
            let is_source = !is_data && metadata.is_file() && path.extension().is_some_and(|ending| ending == "go");
            if !is_source {
                self.entry(&name, &path, &metadata)?;
            }
            if metadata.is_dir() {
                self.below(&path, deeper.checked_sub(1)?, is_data || name == "testdata")?;
                if let Some(hasher) = &mut self.hasher {
                    part(hasher, b"/");
                }
            }
        }
        Some(())
    }

    fn entry(&mut self, name: &OsStr, path: &Path, metadata: &Metadata) -> Option<()> {
        let Some(hasher) = &mut self.hasher else { return Some(()) };
        part(hasher, name.as_encoded_bytes());
        hasher.update(metadata.mode().to_le_bytes());
        if metadata.is_symlink() {
            part(hasher, fs::read_link(path).ok()?.as_os_str().as_encoded_bytes());
        } else if metadata.is_file() {
            content(hasher, path, metadata, &mut self.budget)?;
        }
        Some(())
    }
}

/// By ctime, which nobody can set.
fn is_older(metadata: &Metadata, since: Option<SystemTime>) -> Option<()> {
    let Some(since) = since else { return Some(()) };
    let changed =
        UNIX_EPOCH + Duration::new(u64::try_from(metadata.ctime()).ok()?, u32::try_from(metadata.ctime_nsec()).ok()?);
    (changed < since).then_some(())
}

/// Names, kinds, modes, sizes, and where links lead, as a listing shows them.
fn listing(hasher: &mut Sha256, dir: &Path, budget: &mut Budget) -> Option<()> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).ok()? {
        budget.take_name()?;
        let entry = entry.ok()?;
        let metadata = entry.metadata().ok()?;
        let size = if metadata.is_dir() { 0 } else { metadata.len() };
        let target = if metadata.is_symlink() { fs::read_link(entry.path()).ok()? } else { PathBuf::new() };
        entries.push((entry.file_name(), metadata.mode(), size, target));
    }
    entries.sort();
    for (name, mode, size, target) in entries {
        part(hasher, name.as_encoded_bytes());
        hasher.update(mode.to_le_bytes());
        hasher.update(size.to_le_bytes());
        part(hasher, target.as_os_str().as_encoded_bytes());
    }
    Some(())
}

fn content(hasher: &mut Sha256, path: &Path, metadata: &Metadata, budget: &mut Budget) -> Option<()> {
    budget.take_bytes(metadata.len())?;
    hasher.update(metadata.mode().to_le_bytes());
    hasher.update(metadata.len().to_le_bytes());
    // Not waiting, should it be a pipe by now.
    let file = fs::File::options().read(true).custom_flags(NONBLOCK).open(path).ok()?;
    feed(hasher, file.take(metadata.len() + 1)).ok()
}

/// Hashes all that is read.
pub(crate) fn feed(hasher: &mut Sha256, mut from: impl Read) -> io::Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(()),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// Length and bytes, so that no two lists of parts hash alike.
pub(crate) fn part(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}
