//! Links. Their text counts. What is behind one counts by content, unless it is in the Nix store, where its path stands for it, or
//! counts already as a part of what is walked.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use blake3::{Hash, Hasher};

use crate::condition::paths;
use crate::condition::stamp::Stamp;
use crate::digest::add_part;

use super::list::Kind;
use super::rule::FileUse;
use super::walk::Walk;

const NO_HASH: Hash = Hash::from_bytes([0; 32]);

impl Walk<'_> {
    /// A link of this name in the real directory `dir`.
    pub(super) fn link(&mut self, dir: &Path, name: &OsStr, path: &Path) -> Option<()> {
        let stamp = Stamp::of(&fs::symlink_metadata(path).ok()?)?;
        let text = fs::read_link(path).ok()?;
        let target = paths::from_dir(dir, &text);
        let behind = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            Err(_) => return None,
        };
        let is_fixed = target.as_deref().is_some_and(|target| {
            target == Path::new("/dev/null") || paths::is_in_store(target, &self.looking.excluded.own_outputs)
        });
        let hash = hash_of_link(&text, behind.is_some());
        match behind {
            None => {
                self.add(Kind::Link, Some(stamp), hash);
                self.add(Kind::Absent, None, NO_HASH);
                Some(())
            }
            // A link with the name of a Go source is one: its content is in Go's key.
            Some(metadata) if metadata.is_file() && self.looking.rule.of_file(name.as_bytes()) == FileUse::Nothing => {
                Some(())
            }
            Some(metadata) => {
                self.add(Kind::Link, Some(stamp), hash);
                if is_fixed { Some(()) } else { self.behind_link(path, target.as_deref(), &metadata) }
            }
        }
    }

    fn behind_link(&mut self, path: &Path, target: Option<&Path>, metadata: &Metadata) -> Option<()> {
        if metadata.is_file() {
            let real = fs::canonicalize(path).ok()?;
            // Paths in it count from where it lies.
            self.with_root_of(&real, |walk, dir| walk.file(dir, &real, Kind::Target, FileUse::Content))
        } else if metadata.is_dir() {
            if target.is_some_and(|target| self.is_walked(target)) {
                return Some(());
            }
            let real = fs::canonicalize(path).ok()?;
            self.roots.push(real.clone());
            let done = self.directory(&real, Kind::TargetDirectory);
            self.roots.pop();
            done
        } else {
            None
        }
    }

    /// Whether a path is a part of what is walked, by its text alone.
    fn is_walked(&self, target: &Path) -> bool {
        let excluded = |root: &Path| self.looking.excluded.covers(self.looking.rule, root, target);
        self.roots.iter().any(|root| target.starts_with(root) && !excluded(root))
    }

    /// Does something with the real directory of a file behind a link: it is the root of what the file may name, unless it lies below
    /// one of the roots.
    fn with_root_of(&mut self, real: &Path, read: impl FnOnce(&mut Self, &Path) -> Option<()>) -> Option<()> {
        let dir = real.parent()?;
        let root = self.roots.iter().find(|root| dir.starts_with(root)).cloned();
        self.roots.push(root.unwrap_or_else(|| dir.to_owned()));
        let done = read(self, dir);
        self.roots.pop();
        done
    }
}

fn hash_of_link(text: &Path, leads_somewhere: bool) -> Hash {
    let mut hasher = Hasher::new();
    add_part(&mut hasher, text.as_os_str().as_bytes());
    hasher.update(&[u8::from(leads_somewhere)]);
    hasher.finalize()
}
