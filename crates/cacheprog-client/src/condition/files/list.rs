//! What a walk found: paths, stamps and hashes. A second look is one `lstat` for each of them, relative to the root: a name that is
//! added or removed shows in the stamp of its directory.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::{Hash, Hasher};
use proto::parts::Parts;
use rustix::fs::{AtFlags, Mode, OFlags, statat};
use rustix::io::Errno;

use crate::condition::escapes::{Reference, References};
use crate::condition::excluded::Excluded;
use crate::condition::stamp::Stamp;
use crate::digest::add_part;

use super::rule::{Rule, is_cxx};

/// What an entry is, and how it is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Directory = 0,
    /// A directory in which names come and go. Its hash is of the names that count.
    Listed = 1,
    /// Its hash is of mode and content.
    File = 2,
    /// A source that does not count as long as it has no constraint.
    Watched = 3,
    /// Its hash is of its text.
    Link = 4,
    /// The file behind the link before.
    Target = 5,
    TargetDirectory = 6,
    /// Nothing is behind the link before.
    Absent = 7,
    /// A Go source that has C in it, for vet. Its hash is of mode and content.
    Cgo = 8,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Directory,
        Self::Listed,
        Self::File,
        Self::Watched,
        Self::Link,
        Self::Target,
        Self::TargetDirectory,
        Self::Absent,
        Self::Cgo,
    ];

    fn follows(self) -> bool {
        matches!(self, Self::Target | Self::TargetDirectory | Self::Absent)
    }

    /// Whether its hash is part of the digest.
    fn counts(self) -> bool {
        matches!(self, Self::File | Self::Link | Self::Target | Self::Cgo)
    }
}

/// One path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    /// `None` for [`Kind::Listed`] and [`Kind::Absent`].
    pub(super) stamp: Option<Stamp>,
    /// Zeros where the kind has none.
    pub(super) hash: Hash,
}

/// A scope's files as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileList {
    pub(super) root: PathBuf,
    pub(super) rule: Rule,
    /// Whether it has all that there is. Else it only saves reading.
    pub(crate) is_whole: bool,
    /// When reading began.
    pub(super) began: SystemTime,
    /// The path of each entry, relative to the root and with a zero at its end.
    pub(super) paths: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// Paths that a file's text names, with the place of the file's entry.
    pub(super) references: Vec<(u32, Reference)>,
}

impl FileList {
    /// Paths and entries.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.paths.split_inclusive(|&byte| byte == 0).zip(&self.entries)
    }

    /// The files that count, with their whole paths.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let all = self.iter().filter(|(_, entry)| entry.kind.counts());
        all.map(|(path, _)| self.path_of(path)).collect()
    }

    /// Where programs may look at any file, they may look for an empty directory too.
    fn counts(&self, entry: &Entry) -> bool {
        entry.kind.counts() || (self.rule == Rule::TreeWithGo && entry.kind == Kind::Directory)
    }

    /// The digest of all that counts.
    pub(crate) fn digest(&self) -> Hash {
        let mut hasher = Hasher::new();
        for (path, entry) in self.iter().filter(|(_, entry)| self.counts(entry)) {
            add_part(&mut hasher, path);
            hasher.update(&[entry.kind as u8]).update(entry.hash.as_bytes());
        }
        hasher.finalize()
    }

    /// Adds each file to the parts of a condition.
    pub(crate) fn add_parts(&self, parts: &mut Parts) {
        for (path, entry) in self.iter().filter(|(_, entry)| self.counts(entry)) {
            let path = String::from_utf8_lossy(path.strip_suffix(b"\0").unwrap_or(path));
            let path = if entry.kind == Kind::Link { format!("{path} (link)") } else { path.into_owned() };
            parts.add_file(&path, entry.hash.as_bytes());
        }
    }

    pub(crate) fn references(&self) -> References {
        let mut references = References::default();
        self.references.iter().for_each(|(_, reference)| references.add(reference.clone()));
        references
    }

    /// The real paths of directories to which links lead, but of those in the Nix store.
    pub(crate) fn linked_directories(&self) -> Vec<PathBuf> {
        let links = self.iter().filter(|(_, entry)| entry.kind == Kind::Link);
        let real = links.filter_map(|(path, _)| std::fs::canonicalize(self.path_of(path)).ok());
        let mut directories: Vec<_> = real.filter(|path| path.is_dir() && !path.starts_with("/nix/store")).collect();
        directories.sort();
        directories.dedup();
        directories
    }

    /// Whether a file is C++.
    pub(crate) fn has_cxx(&self) -> bool {
        self.iter().any(|(path, entry)| entry.kind.counts() && is_cxx(path.strip_suffix(b"\0").unwrap_or(path)))
    }

    /// The directories in which Go sources have C in them, as far as vet's rule finds them. What is behind a link may have.
    pub(crate) fn directories_with_c(&self) -> BTreeSet<PathBuf> {
        let may_have_c = |(path, entry): &(&[u8], &Entry)| {
            entry.kind == Kind::Cgo || (entry.kind == Kind::Link && path.ends_with(b".go\0"))
        };
        let directory = |path| self.path_of(path).parent().map(Path::to_owned);
        self.iter().filter(may_have_c).filter_map(|(path, _)| directory(path)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether a new walk would give the same.
    pub(crate) fn is_current(&self, excluded: &Excluded) -> bool {
        let stamps = self.entries.iter().filter_map(|entry| entry.stamp);
        // What changes before it is settled may show the same stamp.
        self.is_whole
            && stamps.map(|stamp| stamp.settled()).max().is_none_or(|settled| settled < self.began)
            && self.has_same_stamps(excluded)
    }

    /// Whether each path has the stamp that it had.
    pub(super) fn has_same_stamps(&self, excluded: &Excluded) -> bool {
        // Paths are relative to the root's descriptor: the kernel has only a part of each path to walk.
        let Ok(root) = rustix::fs::open(&self.root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) else {
            return false;
        };
        self.iter().all(|(path, entry)| self.is_same(&root, path, entry, excluded))
    }

    fn is_same(&self, root: &OwnedFd, path: &[u8], entry: &Entry, excluded: &Excluded) -> bool {
        let Ok(name) = CStr::from_bytes_with_nul(path) else { return false };
        let follow = if entry.kind.follows() { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let is_same = |stat| Stamp::of_stat(&stat).is_some_and(|stamp| Some(stamp) == entry.stamp);
        match entry.kind {
            Kind::Absent => statat(root, name, follow).is_err_and(|e| e == Errno::NOENT),
            Kind::Listed => excluded.names_in(&self.path_of(path)) == Some(entry.hash),
            _ => statat(root, name, follow | AtFlags::EMPTY_PATH).is_ok_and(is_same),
        }
    }

    pub(super) fn path_of(&self, path: &[u8]) -> PathBuf {
        let path = path.strip_suffix(b"\0").unwrap_or(path);
        if path.is_empty() { self.root.clone() } else { self.root.join(OsStr::from_bytes(path)) }
    }

    /// Whether nothing changed at `since` or later. `names` are those that directories had then in which names come and go.
    pub(crate) fn is_older(&self, since: SystemTime, names: &[(PathBuf, Option<Hash>)]) -> bool {
        let names_then = |dir: &Path| names.iter().find(|(known, _)| known == dir).and_then(|(_, hash)| *hash);
        self.iter().all(|(path, entry)| match entry.kind {
            Kind::Listed => names_then(&self.path_of(path)) == Some(entry.hash),
            _ => entry.stamp.is_none_or(|stamp| stamp.is_before(since)),
        })
    }
}
