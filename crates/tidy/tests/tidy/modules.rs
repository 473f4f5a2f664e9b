//! The files of a crate and which of them uses which: the tree of its modules, and the paths in them followed to the file where
//! the named item stands. A `pub use` is followed and is no use itself: it is a sign on a door. Tests are left out.

use crate::paths::{Import, imports, modules, written_in_full};
use crate::source::files;
use crate::tokens::{tokens, without_tests};
use std::collections::{BTreeMap, BTreeSet};

/// How many `pub use` lines may stand between a path and its item.
const MOST_SIGNS: usize = 8;

type Path = Vec<String>;

struct Module {
    file: &'static str,
    imports: Vec<Import>,
    full_paths: Vec<Path>,
}

/// A crate below `crates/`, or the fault matrix.
pub(crate) struct Crate {
    modules: BTreeMap<Path, Module>,
}

/// Which file uses which, and by which path, as an example.
pub(crate) type Uses = BTreeMap<&'static str, BTreeMap<&'static str, String>>;

/// The folders that hold the sources of a crate.
pub(crate) fn sources() -> BTreeSet<String> {
    let source = |name: &str| Some(name.strip_suffix("lib.rs").or(name.strip_suffix("main.rs"))?.to_owned());
    files().iter().filter_map(|file| source(&file.name)).filter(|folder| folder.ends_with("/src/")).collect()
}

impl Crate {
    /// Reads the crate whose sources are in the folder.
    pub(crate) fn read(folder: &str) -> Self {
        let mut read = Self { modules: BTreeMap::new() };
        let names = [format!("{folder}lib.rs"), format!("{folder}main.rs")];
        let root = names.iter().find_map(|name| text(name)).unwrap();
        read.add(Vec::new(), root, folder);
        read
    }

    fn add(&mut self, path: Path, (file, text): (&'static str, &'static str), folder: &str) {
        let all = without_tests(&tokens(text));
        for name in modules(&all) {
            let inner = format!("{folder}{name}/");
            let places = [format!("{folder}{name}.rs"), format!("{inner}mod.rs")];
            if let Some(found) = places.iter().find_map(|place| self::text(place)) {
                self.add([path.clone(), vec![name]].concat(), found, &inner);
            }
        }
        let (imports, rest) = imports(&all);
        self.modules.insert(path, Module { file, imports, full_paths: written_in_full(&rest) });
    }

    pub(crate) fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (from, module) in &self.modules {
            let imported = module.imports.iter().filter(|import| !import.is_public).map(|import| &import.path);
            for path in imported.chain(&module.full_paths) {
                let Some(target) = self.resolve(from, path, MOST_SIGNS) else { continue };
                if target != *from {
                    uses.entry(module.file)
                        .or_default()
                        .entry(self.modules[&target].file)
                        .or_insert_with(|| path.join("::"));
                }
            }
        }
        uses
    }

    /// The module whose file has the item of the path, which stands in the module `from`. None for other crates.
    fn resolve(&self, from: &[String], path: &[String], signs: usize) -> Option<Path> {
        let (mut module, mut rest) = self.begin(from, path)?;
        while let Some(name) = rest.first() {
            let next = [module.clone(), vec![name.clone()]].concat();
            if !self.modules.contains_key(&next) {
                break;
            }
            module = next;
            rest = &rest[1..];
        }
        let sign = rest.first().filter(|name| *name != "*").and_then(|name| self.sign(&module, name));
        let further = sign.filter(|_| signs > 0).and_then(|import| self.resolve(&module, &import.path, signs - 1));
        Some(further.unwrap_or(module))
    }

    /// What a module imports under a name.
    fn sign(&self, module: &Path, name: &str) -> Option<&Import> {
        self.modules[module].imports.iter().find(|import| import.name == name)
    }

    /// The module in which a path begins, and what is left of the path.
    fn begin<'a>(&self, from: &[String], path: &'a [String]) -> Option<(Path, &'a [String])> {
        let ups = path.iter().take_while(|part| matches!(part.as_str(), "self" | "super")).count();
        match path.first()?.as_str() {
            "crate" => Some((Vec::new(), &path[1..])),
            "self" | "super" => {
                let supers = path[..ups].iter().filter(|part| *part == "super").count();
                Some((from[..from.len().saturating_sub(supers)].to_vec(), &path[ups..]))
            }
            name => {
                let child = [from.to_vec(), vec![name.to_owned()]].concat();
                self.modules.contains_key(&child).then(|| (from.to_vec(), path))
            }
        }
    }
}

fn text(name: &str) -> Option<(&'static str, &'static str)> {
    files().iter().find(|file| file.name == name).map(|file| (file.name.as_str(), file.text.as_str()))
}
