//! Whether a package's tests may look at more than their log shows: a program that they run, or a system call, opens files past
//! package os. Looked at are the package's own files and those of packages of the main module that they import, directly or not, for
//! all platforms. What a dependency does is not looked at (docs/explanation/soundness.md, "Tests").

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::budget::Budget;
use super::go_source::{self, GoSource, Wanted};
use super::main_module::MainModule;
use super::variable_reads::VariableReads;

/// A larger source is not read.
const MAX_SIZE: u64 = 8 << 20;

/// Endings of files that bring other code than Go into a package (go/build/build.go `matchFile`, Go 1.21-1.27). That it is of C is
/// in an import.
const OTHER_CODE: [&str; 6] = ["s", "S", "sx", "syso", "swig", "swigcxx"];

/// The packages that were looked at. It is for one go command, in which nothing of the module changed.
#[derive(Debug, Default)]
pub(super) struct Reach {
    wanted: Wanted,
    packages: HashMap<PathBuf, GoSource>,
}

/// What tests of a package may do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether they may see more than their logs have.
    pub(super) is_unlogged: bool,
    /// Whether they may run programs.
    pub(super) runs_programs: bool,
    /// Which variables they may read, of those that otherwise do not count.
    pub(super) variables: BTreeSet<String>,
}

impl Reach {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self { wanted, packages: HashMap::new() }
    }

    /// What tests of the package in `dir` may do. `None` where that cannot be told, as for a package that is too large.
    pub(super) fn look(&mut self, module: &MainModule, dir: &Path, budget: &mut Budget) -> Option<Seen> {
        // They run in this directory, wherever a path is written.
        let depth = dir.strip_prefix(module.root()).map_or(0, |below| below.components().count());
        let (mut found, mut open) = (BTreeSet::from([dir.to_owned()]), vec![dir.to_owned()]);
        let (mut seen, mut variables) = (Seen::default(), VariableReads::default());
        while let Some(dir) = open.pop() {
            let package = match self.packages.entry(dir) {
                std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
                std::collections::hash_map::Entry::Vacant(new) => {
                    let package = read_package(new.key(), &self.wanted, budget)?;
                    new.insert(package)
                }
            };
            seen.is_unlogged |= package.is_unlogged || package.up > depth;
            seen.runs_programs |= package.runs_programs;
            variables.add(&package.variables);
            for dir in package.imports.iter().filter_map(|path| module.directory(path)) {
                if found.insert(dir.clone()) {
                    open.push(dir);
                }
            }
        }
        seen.variables = variables.into_names();
        Some(seen)
    }
}

/// All imports of a package's files, tests included.
fn read_package(dir: &Path, wanted: &Wanted, budget: &mut Budget) -> Option<GoSource> {
    let mut package = GoSource::default();
    // An import for another platform may be of a package that is not there.
    let Ok(entries) = fs::read_dir(dir) else { return Some(package) };
    for entry in entries {
        budget.take_name()?;
        let path = entry.ok()?.path();
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let is_other_code = OTHER_CODE.contains(&extension);
        package.is_unlogged |= is_other_code;
        package.variables.by_programs |= is_other_code;
        if extension != "go" || !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let mut source = Vec::new();
        File::open(&path).ok()?.take(MAX_SIZE + 1).read_to_end(&mut source).ok()?;
        budget.take_bytes(source.len() as u64)?;
        let file = go_source::read(&source, wanted);
        let is_large = source.len() as u64 > MAX_SIZE;
        package.is_unlogged |= file.is_unlogged || is_large;
        package.runs_programs |= file.runs_programs;
        package.up = package.up.max(file.up);
        package.variables.add(&file.variables);
        package.variables.by_programs |= is_large;
        package.imports.extend(file.imports);
    }
    Some(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(files: &[(&str, &str)]) -> (tempfile::TempDir, MainModule) {
        let dir = tempfile::tempdir().unwrap();
        let go_mod =
            [("go.mod", "module example.test/m\nreplace example.test/other => ./other\n"), ("a/a.go", "package a\n")];
        for (path, text) in go_mod.iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let module = MainModule::read(dir.path()).unwrap();
        (dir, module)
    }

    fn is_unlogged(files: &[(&str, &str)]) -> bool {
        let (dir, module) = module(files);
        Reach::default().look(&module, &dir.path().join("a"), &mut Budget::new()).unwrap().is_unlogged
    }

    #[test]
    fn what_a_package_and_its_imports_within_the_module_do_is_seen() {
        let exec = "package x\nimport \"os/exec\"\n";
        assert!(!is_unlogged(&[("b/b.go", exec)]), "another package");
        assert!(!is_unlogged(&[("a/a_test.go", "package a\nvar x = f(\"../testdata\")\n")]), "within the module");
        for files in [
            &[("a/a_test.go", exec)][..],
            &[("a/a_windows.go", exec)],
            &[("a/x.s", "")],
            &[("a/a_test.go", "package a\nvar x = f(\"../../golden\")\n")],
            &[("a/a2.go", "package a\nimport \"example.test/m/b\"\n"), ("b/b.go", exec)],
            &[
                ("a/a2.go", "package a\nimport \"example.test/m/b\"\n"),
                ("b/b.go", "package b\nimport _ \"example.test/m\"\n"),
                ("m.go", exec),
            ],
            &[("a/a_test.go", "package a_test\nimport \"example.test/other/x\"\n"), ("other/x/x.go", exec)],
        ] {
            assert!(is_unlogged(files), "{files:?}");
        }
        let circle = [
            ("a/a_test.go", "package a_test\nimport (\"example.test/m/b\"; \"fmt\"; \"example.test/m/absent\")\n"),
            ("b/b.go", "package b\nimport \"example.test/m/a\"\n"),
        ];
        assert!(!is_unlogged(&circle));
    }

    #[test]
    fn too_much_is_not_told() {
        let (dir, module) = module(&[]);
        let mut budget = Budget::new();
        while budget.take_name().is_some() {}
        assert_eq!(Reach::default().look(&module, &dir.path().join("a"), &mut budget), None);
    }
}
