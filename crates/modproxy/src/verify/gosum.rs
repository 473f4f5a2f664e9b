//! The expected hash of a module's file, from the build's go.sum (which is read again when it changes) or from lines of the same
//! form.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::SystemTime;

use crate::mutex::lock;
use crate::resource::{FileKind, ModuleVersion};

/// Largest go.sum that is read. Large programs have 100 KiB.
const MAX_SIZE: u64 = 64 << 20;

/// The go.sum and go.work.sum of the module that a directory belongs to.
#[derive(Debug)]
pub(crate) struct GoSum {
    dir: PathBuf,
    /// The content of each file when it was last read. Guards a map; one thread reads a file while the others wait for it.
    files: Mutex<HashMap<PathBuf, Sums>>,
}

#[derive(Debug)]
struct Sums {
    /// Size and mtime when it was read.
    state: (u64, Option<SystemTime>),
    hashes: HashMap<String, String>,
}

impl GoSum {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: Mutex::default() }
    }

    /// The expected hash of a file of a version (`h1:…`), where one is known.
    pub(crate) fn hash(&self, file: FileKind, version: &ModuleVersion) -> Option<String> {
        let line_name = name(file, version)?;
        let mut files = lock(&self.files);
        // The module may be created or unpacked after the start of the proxy.
        ["go.mod", "go.work"].iter().zip(["go.sum", "go.work.sum"]).find_map(|(root, sum)| {
            let dir = self.dir.ancestors().find(|dir| dir.join(root).is_file())?;
            refresh(&mut files, &dir.join(sum))?.hashes.get(&line_name).cloned()
        })
    }
}

/// The hash in a text with the lines of go.sum, such as an answer of the checksum database.
pub(crate) fn hash_in(text: &str, file: FileKind, version: &ModuleVersion) -> Option<String> {
    let line_name = name(file, version)?;
    lines(text).find(|(name, _)| *name == line_name).map(|(_, hash)| hash.to_owned())
}

fn name(file: FileKind, ModuleVersion { module, version }: &ModuleVersion) -> Option<String> {
    match file {
        FileKind::Zip => Some(format!("{module} {version}")),
        FileKind::Mod => Some(format!("{module} {version}/go.mod")),
        FileKind::Info => None,
    }
}

/// Lines `MODULE VERSION HASH`, split before the hash. Hashes of other kinds are ignored.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.trim_end().rsplit_once(' ')).filter(|(_, hash)| hash.starts_with("h1:"))
}

/// The hashes by what the lines name; of several lines the first one counts, as for [`hash_in`].
pub(super) fn hashes(text: &str) -> HashMap<String, String> {
    let mut hashes = HashMap::new();
    for (name, hash) in lines(text) {
        hashes.entry(name.to_owned()).or_insert_with(|| hash.to_owned());
    }
    hashes
}

fn refresh<'a>(files: &'a mut HashMap<PathBuf, Sums>, path: &Path) -> Option<&'a Sums> {
    let metadata = fs::metadata(path).ok().filter(|metadata| metadata.is_file() && metadata.len() <= MAX_SIZE)?;
    let state = (metadata.len(), metadata.modified().ok());
    if files.get(path).is_none_or(|sums| sums.state != state) {
        let text = fs::read_to_string(path).ok()?;
        files.insert(path.to_owned(), Sums { state, hashes: hashes(&text) });
    }
    files.get(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_found_in_the_enclosing_module_and_read_again_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("cmd/x");
        fs::create_dir_all(&below).unwrap();
        let sums = GoSum::new(&below);
        let at = |module: &str| ModuleVersion { module: module.into(), version: "v1.0.0".into() };
        assert_eq!(sums.hash(FileKind::Zip, &at("a.test")), None);
        fs::write(dir.path().join("go.mod"), "module m\n").unwrap();
        fs::write(dir.path().join("go.sum"), "a.test v1.0.0 h1:zip=\na.test v1.0.0/go.mod h1:mod=\n").unwrap();
        assert_eq!(sums.hash(FileKind::Zip, &at("a.test")).as_deref(), Some("h1:zip="));
        assert_eq!(sums.hash(FileKind::Mod, &at("a.test")).as_deref(), Some("h1:mod="));
        assert_eq!(sums.hash(FileKind::Info, &at("a.test")), None);
        assert_eq!(sums.hash(FileKind::Zip, &at("b.test")), None);
        fs::write(
            dir.path().join("go.sum"),
            "b.test v1.0.0 h1:another=\nc.test v1.0.0 h9:x\nbroken\nb.test v1.0.0 h1:second=\n",
        )
        .unwrap();
        assert_eq!(sums.hash(FileKind::Zip, &at("b.test")).as_deref(), Some("h1:another="));
        assert_eq!(sums.hash(FileKind::Zip, &at("a.test")), None);
        assert_eq!(sums.hash(FileKind::Zip, &at("c.test")), None);
    }
}
