//! Where the packages of the main module are.

use std::fs;
use std::path::{Path, PathBuf};

/// The main module as its go.mod says.
#[derive(Debug)]
pub(super) struct MainModule {
    root: PathBuf,
    path: String,
    /// Modules that a replace line has in a directory, by their paths.
    replaced: Vec<(String, PathBuf)>,
}

impl MainModule {
    /// Reads it. `None` without a go.mod, or without a module line in it.
    pub(super) fn read(root: &Path) -> Option<Self> {
        let text = fs::read_to_string(root.join("go.mod")).ok()?;
        let words = |line: &str| -> Vec<String> {
            let line = line.split("//").next().unwrap_or_default();
            line.split_whitespace().map(|word| word.trim_matches(['"', '`']).to_owned()).collect()
        };
        let (mut path, mut replaced) = (None, Vec::new());
        for words in text.lines().map(words) {
            if words.first().is_some_and(|first| first == "module") && path.is_none() {
                path = words.get(1).cloned();
            }
            // In a block the line begins with the path.
            let replace = words.strip_prefix(&["replace".to_owned()]).unwrap_or(&words);
            let arrow = replace.iter().position(|word| word == "=>");
            if let (Some(module), Some(target)) = (replace.first(), arrow.and_then(|at| replace.get(at + 1)))
                && target.starts_with(['.', '/'])
            {
                replaced.push((module.clone(), root.join(target)));
            }
        }
        Some(Self { root: root.to_owned(), path: path?, replaced })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that an import path of this module, or of one that is replaced by a directory, leads to.
    pub(super) fn directory(&self, package: &str) -> Option<PathBuf> {
        let all = self.replaced.iter().map(|(module, dir)| (module, dir)).chain([(&self.path, &self.root)]);
        let below = all.filter_map(|(module, dir)| Some((module.len(), dir, below(package, module)?)));
        let (_, dir, below) = below.max_by_key(|(length, ..)| *length)?;
        Some(if below.is_empty() { dir.clone() } else { dir.join(below) })
    }

    /// The directory in which the tests of a package run. `None` where it cannot be told: for a package of another module, or of a
    /// module inside of this one.
    pub(super) fn directory_of_tests(&self, package: &str) -> Option<PathBuf> {
        let dir = self.root.join(below(package, &self.path)?);
        let root = &self.root;
        if dir.ancestors().take_while(|dir| dir != root).any(|dir| dir.join("go.mod").exists()) {
            return None;
        }
        let is_test = |name: &std::ffi::OsStr| name.as_encoded_bytes().ends_with(b"_test.go");
        fs::read_dir(&dir).ok()?.flatten().any(|entry| is_test(&entry.file_name())).then_some(dir)
    }
}

/// The path of a package below its module's.
fn below<'a>(package: &'a str, module: &str) -> Option<&'a str> {
    let rest = package.strip_prefix(module)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_package_of_the_main_module_has_a_known_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("golden")).unwrap();
        fs::create_dir_all(root.join("data")).unwrap();
        fs::write(root.join("golden/golden_test.go"), "").unwrap();
        let text = "// a comment\nmodule\t\"example.test/m\" // another\n\nreplace (\n\texample.test/r v1.0.0 => ../r\n\texample.test/s => example.test/t v1.0.0\n)\n";
        fs::write(root.join("go.mod"), text).unwrap();
        let module = MainModule::read(root).unwrap();
        assert_eq!(module.directory_of_tests("example.test/m/golden"), Some(root.join("golden")));
        for other in [
            "example.test/m",
            "example.test/mm/golden",
            "example.test",
            "command-line-arguments",
            "example.test/m/absent",
            "example.test/m/data",
        ] {
            assert_eq!(module.directory_of_tests(other), None, "{other}");
        }
        let directory = |path| module.directory(path);
        assert_eq!(directory("example.test/m"), Some(root.to_owned()));
        assert_eq!(directory("example.test/m/absent"), Some(root.join("absent")));
        assert_eq!(directory("example.test/r/x"), Some(root.join("../r/x")));
        assert_eq!((directory("example.test/s"), directory("fmt")), (None, None));
        fs::write(root.join("golden/go.mod"), "module example.test/m/golden\n").unwrap();
        assert_eq!(module.directory_of_tests("example.test/m/golden"), None, "a module of its own");
        fs::write(root.join("go.mod"), "go 1.21\n").unwrap();
        assert!(MainModule::read(root).is_none());
    }
}
