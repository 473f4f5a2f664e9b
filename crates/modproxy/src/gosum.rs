//! Which hash a module must have, where that is known: by the build's go.sum, which is read again when it changes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::path::{File, Version};
use crate::sync::lock;

/// A go.sum is some 100 KiB; a larger one than this names nothing.
const MOST: u64 = 64 << 20;

/// The go.sum and go.work.sum of the module around a directory.
#[derive(Debug)]
pub(crate) struct GoSum {
    dir: PathBuf,
    /// What each file said when it was last read. Guards a map; a file is read while it is held, by one who asks for all.
    read: Mutex<HashMap<PathBuf, Sums>>,
}

#[derive(Debug)]
struct Sums {
    /// Size and time when it was read.
    state: (u64, Option<SystemTime>),
    hashes: HashMap<String, String>,
}

impl GoSum {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), read: Mutex::default() }
    }

    /// The hash that a file of a version must have (`h1:…`), if one is named.
    pub(crate) fn hash(&self, file: File, version: &Version) -> Option<String> {
        let wanted = name(file, version)?;
        let mut read = lock(&self.read);
        // The module may be made, or unpacked, after the proxy began.
        ["go.mod", "go.work"].iter().zip(["go.sum", "go.work.sum"]).find_map(|(root, sum)| {
            let dir = self.dir.ancestors().find(|dir| dir.join(root).is_file())?;
            refresh(&mut read, &dir.join(sum))?.hashes.get(&wanted).cloned()
        })
    }
}

/// The hash in lines as go.sum has them: also in what the checksum database says of a version.
pub(crate) fn hash_in(text: &str, file: File, version: &Version) -> Option<String> {
    let wanted = name(file, version)?;
    lines(text).find(|(name, _)| *name == wanted).map(|(_, hash)| hash.to_owned())
}

fn name(file: File, Version { module, version }: &Version) -> Option<String> {
    match file {
        File::Zip => Some(format!("{module} {version}")),
        File::Mod => Some(format!("{module} {version}/go.mod")),
        File::Info => None,
    }
}

/// `MODULE VERSION HASH`, split before the hash; hashes of other kinds are not ours to judge.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.trim_end().rsplit_once(' ')).filter(|(_, hash)| hash.starts_with("h1:"))
}

fn refresh<'a>(read: &'a mut HashMap<PathBuf, Sums>, path: &Path) -> Option<&'a Sums> {
    let metadata = fs::metadata(path).ok().filter(|metadata| metadata.is_file() && metadata.len() <= MOST)?;
    let state = (metadata.len(), metadata.modified().ok());
    if read.get(path).is_none_or(|sums| sums.state != state) {
        let text = fs::read_to_string(path).ok()?;
        let hashes = lines(&text).map(|(name, hash)| (name.to_owned(), hash.to_owned())).collect();
        read.insert(path.to_owned(), Sums { state, hashes });
    }
    read.get(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_found_in_the_module_around_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("cmd/x");
        fs::create_dir_all(&below).unwrap();
        let sums = GoSum::new(&below);
        let at = |module: &str| Version { module: module.into(), version: "v1.0.0".into() };
        assert_eq!(sums.hash(File::Zip, &at("a.test")), None);
        fs::write(dir.path().join("go.mod"), "module m\n").unwrap();
        fs::write(dir.path().join("go.sum"), "a.test v1.0.0 h1:zip=\na.test v1.0.0/go.mod h1:mod=\n").unwrap();
        assert_eq!(sums.hash(File::Zip, &at("a.test")).as_deref(), Some("h1:zip="));
        assert_eq!(sums.hash(File::Mod, &at("a.test")).as_deref(), Some("h1:mod="));
        assert_eq!(sums.hash(File::Info, &at("a.test")), None);
        assert_eq!(sums.hash(File::Zip, &at("b.test")), None);
        fs::write(dir.path().join("go.sum"), "b.test v1.0.0 h1:another=\nc.test v1.0.0 h9:x\nbroken\n").unwrap();
        assert_eq!(sums.hash(File::Zip, &at("b.test")).as_deref(), Some("h1:another="));
        assert_eq!(sums.hash(File::Zip, &at("a.test")), None);
        assert_eq!(sums.hash(File::Zip, &at("c.test")), None);
    }
}
