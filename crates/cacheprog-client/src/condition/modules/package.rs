//! Where a compiled package came from: by the names of its files and its import path, both of which its archive has.
//!
//! With `-trimpath` a name is `path@version/dir/file.go`, or `import/path/file.go` for a main module; without, it is absolute
//! (cmd/go/internal/work/gc.go `trimpath`, Go 1.21-1.27). An archive also has names of files of which functions were inlined. So a
//! directory counts only where import path, name and file agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::go_mod::Target;
use super::graph::{Modules, clean, same_dir, unescape};

/// A program's import path in its archive, and that of files that were named one by one.
const PROGRAM: &str = "main";
const NAMED_FILES: &str = "command-line-arguments";

/// A package with its module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// The module's path, and its version unless it is a main one.
    pub(crate) module: (String, Option<String>),
    /// The module's root, as a real path.
    pub(crate) root: PathBuf,
    /// The package's directory, as a real path.
    pub(crate) dir: PathBuf,
}

/// A place that one file's name points to.
struct Place {
    module: (String, Option<String>),
    /// Below the module's root: empty, or a path.
    below: String,
}

/// The package of an archive with this import path and these names of files. `files_dir`: the directory of the Go files on the command
/// line. `None` where its directory cannot be told.
pub(crate) fn locate(modules: &Modules, path: &str, files: &[String], files_dir: Option<&Path>) -> Option<Package> {
    let is_program = path == PROGRAM || path == NAMED_FILES;
    let mut directories: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (dir, name) in files.iter().filter_map(|file| file.rsplit_once('/')).filter(|(_, name)| is_source(name)) {
        directories.entry(dir).or_default().push(name);
    }
    let mut found: Option<Package> = None;
    for (dir, names) in directories {
        let place = match files_dir {
            // With C in them the name is `./main.go`.
            Some(files_dir) if dir == NAMED_FILES || dir == "." => modules.place_of_dir(files_dir),
            _ if dir.starts_with('/') => modules.place_of_dir(Path::new(dir)),
            _ => modules.place_of_name(dir),
        };
        let place = place.filter(|place| is_program || place.import_path() == path);
        let Some(package) = place.and_then(|place| modules.package(&place)) else { continue };
        let files = names.into_iter().map(|name| package.dir.join(name));
        if is_program {
            // Of the others functions were inlined: no package imports package main.
            if !files.into_iter().any(|file| has_package_clause(&file, PROGRAM)) {
                continue;
            }
        } else if !files.into_iter().all(|file| file.is_file()) {
            return None;
        }
        if found.replace(package).is_some() {
            return None;
        }
    }
    found
}

/// cgo's own files are in no directory of a package.
fn is_source(name: &str) -> bool {
    name.ends_with(".go") && !name.starts_with("_cgo_")
}

impl Place {
    fn import_path(&self) -> String {
        if self.below.is_empty() { self.module.0.clone() } else { format!("{}/{}", self.module.0, self.below) }
    }
}

impl Modules {
    /// The package in a directory. `None` where it cannot be told whose it is.
    pub(crate) fn package_in(&self, dir: &Path) -> Option<Package> {
        self.package(&self.place_of_dir(dir)?)
    }

    /// The package of a main module with this import path.
    pub(crate) fn package_of_main(&self, import_path: &str) -> Option<Package> {
        self.package(&self.place_of_name(import_path).filter(|place| place.module.1.is_none())?)
    }

    fn package(&self, place: &Place) -> Option<Package> {
        let (path, version) = &place.module;
        // Below the vendor directory are packages of other modules.
        if version.is_none() && Path::new(&place.below).starts_with("vendor") {
            return None;
        }
        let root = self.root(path, version.as_deref())?;
        let dir = fs::canonicalize(root.join(&place.below)).ok()?;
        dir.starts_with(&root).then(|| Package { module: place.module.clone(), root, dir })
    }

    /// The place of a name without a root: `path@version/dir`, or an import path of a main module.
    fn place_of_name(&self, dir: &str) -> Option<Place> {
        if let Some((path, rest)) = dir.split_once('@') {
            let (version, below) = rest.split_once('/').unwrap_or((rest, ""));
            return Some(Place { module: (path.to_owned(), Some(version.to_owned())), below: below.to_owned() });
        }
        let below = |path: &str| dir.strip_prefix(path).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let mains = self.mains.iter().filter_map(|main| Some((main, below(&main.path)?)));
        let (main, below) = mains.max_by_key(|(main, _)| main.path.len())?;
        Some(Place { module: (main.path.clone(), None), below: below.trim_start_matches('/').to_owned() })
    }

    /// The place of a directory.
    fn place_of_dir(&self, dir: &Path) -> Option<Place> {
        self.place_in_vendor(dir)
            .or_else(|| self.place_in_replaced(dir))
            .or_else(|| self.place_in_cache(dir))
            .or_else(|| self.place_in_main(dir))
    }

    fn place_in_vendor(&self, dir: &Path) -> Option<Place> {
        let (vendor, listed) = self.vendor.as_ref()?;
        let import_path = text_below(dir, vendor)?;
        let module = listed.packages.get(&import_path)?;
        let version = listed.versions.get(module)?;
        let below = import_path.strip_prefix(module.as_str())?.trim_start_matches('/').to_owned();
        Some(Place { module: (module.clone(), Some(version.clone())), below })
    }

    fn place_in_replaced(&self, dir: &Path) -> Option<Place> {
        if self.vendor.is_some() {
            return None;
        }
        let places = self.replaces.iter().filter_map(|replace| {
            let version = replace.version.clone().or_else(|| self.required(&replace.path))?;
            let root = match &replace.target {
                Target::Directory(root) => clean(root),
                Target::Module(path, version) => self.in_cache(path, version)?,
            };
            let below = text_below(dir, &root)?;
            // An earlier line may say otherwise.
            let is_it = self.replacement(&replace.path, &version) == Some(&replace.target);
            is_it.then(|| (root, Place { module: (replace.path.clone(), Some(version)), below }))
        });
        places.max_by_key(|(root, _)| root.as_os_str().len()).map(|(_, place)| place)
    }

    fn required(&self, path: &str) -> Option<String> {
        let mut versions = self.requires.iter().filter(|(required, _)| required == path).map(|(_, version)| version);
        let version = versions.next()?;
        versions.all(|other| other == version).then(|| version.clone())
    }

    fn place_in_cache(&self, dir: &Path) -> Option<Place> {
        let below = text_below(dir, self.cache.as_ref()?)?;
        let (path, rest) = below.split_once('@')?;
        let (version, below) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Place { module: (unescape(path)?, Some(unescape(version)?)), below: below.to_owned() })
    }

    fn place_in_main(&self, dir: &Path) -> Option<Place> {
        let mains = self.mains.iter().filter_map(|main| Some((main, text_below(dir, &main.dir)?)));
        let (main, below) = mains.max_by_key(|(main, _)| main.dir.as_os_str().len())?;
        // A module inside of a module is another one.
        let is_own =
            dir.ancestors().take_while(|dir| !same_dir(dir, &main.dir)).all(|dir| !dir.join("go.mod").is_file());
        is_own.then(|| Place { module: (main.path.clone(), None), below })
    }
}

/// A directory as a path below another one. (In the module cache a link may be part of the name; it is compared as it is, then by real
/// paths.)
fn text_below(dir: &Path, root: &Path) -> Option<String> {
    if let Ok(below) = dir.strip_prefix(root) {
        return below.to_str().map(str::to_owned);
    }
    let (dir, root) = (fs::canonicalize(dir).ok()?, fs::canonicalize(root).ok()?);
    dir.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

/// Whether a Go source begins with this package clause.
fn has_package_clause(file: &Path, package: &str) -> bool {
    let text = fs::read(file).unwrap_or_default();
    let clause = crate::condition::build_constraint::after_comments(&text).strip_prefix(b"package");
    clause.is_some_and(|rest| {
        let name = rest.trim_ascii_start();
        let length = name.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        name.len() < rest.len() && &name[..length] == package.as_bytes()
    })
}

#[cfg(test)]
mod tests;
