//! The scope of an archive: its module, unless something leads out of it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;
use proto::Scope;
use proto::condition::scopes;

use super::conditions::Conditions;
use super::counted_variables::{CountedVariables, asks_for_seed};
use super::escapes::{FilePlace, Language, References, Runs, Scanner, Surroundings, Verdict};
use super::files::Rule;
use super::flags_text::is_of_flags;
use super::made_archive::{MadeArchive, MadeBy};
use super::modules::{Package, locate};
use super::paths;
use super::programs::Program;
use super::variables::is_build;

/// A larger Go source is not looked through.
const MAX_SOURCE: u64 = 8 << 20;

impl Conditions {
    /// The scope of an archive that Go's key does not cover. `None`: no condition, it stays private.
    pub(crate) fn scope_of(&mut self, made: &MadeArchive) -> Option<Scope> {
        if made.is_std {
            return self.scope_of_std(made.made_by);
        }
        let found = self.package(made);
        if !self.setting.is_clean {
            // A tool may have given the compiler another file: what it reads is in the tree too.
            let package = match found {
                Some(package) => package,
                None => self.modules()?.package_of_main(&made.path)?,
            };
            let verdict = match made.made_by {
                MadeBy::Compiler => Verdict::Stays,
                MadeBy::CompilerAndAssembler => self.judge_module(&package.root, Runs::Programs)?,
                MadeBy::Others => self.judge_package(&package)?,
            };
            let is_covered = verdict < Verdict::Leaves && self.is_covered_with_go(&package, made);
            return is_covered.then_some(scopes::TREE_WITH_GO);
        }
        let package = found?;
        let is_asm = made.made_by == MadeBy::CompilerAndAssembler;
        let verdict = if is_asm { self.judge_module(&package.root, Runs::Go)? } else { self.judge_package(&package)? };
        let (path, version) = (package.module.0.as_str(), package.module.1.as_deref());
        match verdict {
            Verdict::Stays if is_asm => Scope::asm(path, version).ok(),
            Verdict::Stays => Scope::module(path, version).ok(),
            Verdict::Tree => self.is_in_tree(&package.root).then_some(scopes::TREE),
            Verdict::Leaves => None,
        }
    }

    /// The files of the standard library are the toolchain's. Variables may lead its C into the tree all the same.
    pub(super) fn scope_of_std(&mut self, made_by: MadeBy) -> Option<Scope> {
        let root = self.goroot.join("src");
        // What assembly and C of the toolchain include is in the store, in the tree, or in the scope "std".
        let is_covered = made_by == MadeBy::Compiler || self.is_goroot_fixed() || self.is_in_tree(&root);
        if !self.setting.is_clean && made_by == MadeBy::Compiler {
            return Some(scopes::TREE_WITH_GO);
        }
        // Go's assembler reads neither variables nor the tree.
        if self.setting.is_clean && made_by == MadeBy::CompilerAndAssembler {
            return Some(scopes::ASM_STD);
        }
        let std = Package { module: ("std".to_owned(), None), dir: root.clone(), root };
        match self.judge_machine(&std)? {
            Verdict::Stays | Verdict::Tree if !self.setting.is_clean => is_covered.then_some(scopes::TREE_WITH_GO),
            Verdict::Stays => Some(scopes::STD),
            Verdict::Tree => is_covered.then_some(scopes::TREE),
            Verdict::Leaves => None,
        }
    }

    fn package(&mut self, made: &MadeArchive) -> Option<Package> {
        let files_dir = self.files_dir();
        locate(self.modules()?, &made.path, &made.files, files_dir.as_deref())
    }

    /// The directory of the Go files on the command line; the go command takes those of one directory.
    fn files_dir(&self) -> Option<PathBuf> {
        let arguments = self.setting.arguments.as_ref()?;
        let is_source = |argument: &&std::ffi::OsString| {
            argument.as_bytes().ends_with(b".go") && !argument.as_bytes().starts_with(b"-")
        };
        let file = self.setting.cwd.join(arguments.iter().find(is_source)?);
        Some(file.parent()?.to_owned())
    }

    /// With a command line that is not clean: whether the tree has the package, or it lies where nothing changes.
    fn is_covered_with_go(&self, package: &Package, made: &MadeArchive) -> bool {
        let is_in_cache =
            self.setting.gomodcache.as_ref().is_some_and(|cache| package.root.starts_with(paths::real(cache)));
        self.is_in_tree(&package.root)
            || self.is_in_store(&package.root)
            // go.sum in the tree has the contents of these.
            || (is_in_cache && made.made_by == MadeBy::Compiler)
    }

    fn is_in_tree(&self, path: &Path) -> bool {
        self.tree
            .as_ref()
            .is_some_and(|tree| path.starts_with(tree) && !self.file_lists.excluded.covers(Rule::Tree, tree, path))
    }

    /// What a package with C leads to.
    pub(super) fn judge_package(&mut self, package: &Package) -> Option<Verdict> {
        let of_files = self.judge_module(&package.root, Runs::Programs)?.max(self.judge_sources(package)?);
        Some(of_files.max(self.judge_machine(package)?))
    }

    /// Where references of a module with this root lead.
    pub(super) fn judge(
        &mut self,
        root: &Path,
        references: &References,
        (has_links, runs): (bool, Runs),
    ) -> Option<Verdict> {
        let linked = if has_links && references.lead_above_links() {
            self.file_lists.list(root, Rule::Module)?.linked_directories()
        } else {
            Vec::new()
        };
        let surroundings = Surroundings {
            tree: self.tree.as_deref(),
            goroot: &self.goroot,
            excluded: &self.file_lists.excluded,
            has_go: !self.setting.is_clean,
            root,
            runs,
            linked: &linked,
        };
        Some(surroundings.judge(references))
    }

    /// What the files of a module lead to.
    pub(super) fn judge_module(&mut self, root: &Path, runs: Runs) -> Option<Verdict> {
        // Whatever is named from there by a relative path is in the store too.
        if self.is_in_store(root) {
            return Some(Verdict::Stays);
        }
        let references = self.file_lists.list(root, Rule::Module)?.references();
        self.judge(root, &references, (true, runs))
    }

    /// Where references of a package lead. Neither the store nor the toolchain has links to look at.
    fn judge_of(&mut self, package: &Package, references: &References) -> Option<Verdict> {
        let has_links = !self.is_in_store(&package.root) && package.module.0 != "std";
        self.judge(&package.root, references, (has_links, Runs::Programs))
    }

    /// What the Go sources of a package lead to, by their lines for cgo and the C in their comments.
    fn judge_sources(&mut self, package: &Package) -> Option<Verdict> {
        let mut references = References::default();
        for entry in fs::read_dir(&package.dir).ok()? {
            let path = entry.ok()?.path();
            if path.extension().is_none_or(|extension| extension != "go") || !path.is_file() {
                continue;
            }
            if fs::metadata(&path).ok()?.len() > MAX_SOURCE {
                return None;
            }
            let text = fs::read(&path).ok()?;
            if memmem::find(&text, b"\"C\"").is_none() && memmem::find(&text, b"`C`").is_none() {
                continue;
            }
            let mut lines = text.split(|&byte| byte == b'\n').filter(|line| memmem::find(line, b"#cgo").is_some());
            // The objects then have the seed, and the digest may not.
            if lines.any(asks_for_seed) {
                return Some(Verdict::Leaves);
            }
            self.scan(package, &text, &mut references);
        }
        self.judge_of(package, &references)
    }

    fn scan(&self, package: &Package, text: &[u8], references: &mut References) {
        let place = FilePlace { root: &package.root, dir: &package.dir };
        let mut scanner = Scanner::new(place, Language::Go, self.file_lists.names(), references);
        scanner.feed(text);
        scanner.finish();
    }

    /// What variables and programs lead to.
    fn judge_machine(&mut self, package: &Package) -> Option<Verdict> {
        let machine = self.machine()?;
        let (counted, programs) = (machine.counted.clone(), machine.programs.clone());
        Some(self.judge_variables(package, &counted)?.max(self.judge_programs(&programs)))
    }

    fn judge_variables(&mut self, package: &Package, counted: &CountedVariables) -> Option<Verdict> {
        let mut verdict = Verdict::Stays;
        for (name, value) in counted.iter() {
            // A file of flags names whatever it likes.
            if is_of_flags(name) && has_response_file(value) {
                return Some(Verdict::Leaves);
            }
            let mut references = References::default();
            // Words of a variable are flags, as those of a line for cgo are.
            let mut line = [b"#cgo X: ", value.as_bytes()].concat();
            line.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
            self.scan(package, &line, &mut references);
            let judged = self.judge_of(package, &references)?;
            // A path somewhere else is read by C tools only from their own variables.
            let judged = if judged == Verdict::Leaves && !is_of_flags(name) { Verdict::Stays } else { judged };
            let names_tree = self.tree.as_ref().is_some_and(|tree| names_path(value, tree));
            verdict = verdict.max(judged).max(if names_tree { Verdict::Tree } else { Verdict::Stays });
        }
        Some(verdict)
    }

    fn judge_programs(&self, programs: &[Program]) -> Verdict {
        let is_fixed = |file: &Path| paths::is_of_system(file) || self.is_in_store(file);
        let judge = |file: &PathBuf| match self.is_in_tree(file) {
            true => Verdict::Tree,
            // A script that the build made outside of the tree may read the tree, and files in its own directory.
            false if is_build(&self.setting.variables) && !is_fixed(file) => Verdict::Leaves,
            false => Verdict::Stays,
        };
        programs.iter().flat_map(|program| &program.files).map(judge).max().unwrap_or(Verdict::Stays)
    }
}

/// `@file` among flags.
fn has_response_file(value: &OsStr) -> bool {
    let words = value.as_bytes().split(|byte| byte.is_ascii_whitespace() || b"\"',=".contains(byte));
    words.into_iter().any(|word| word.len() > 1 && word[0] == b'@')
}

/// Whether a value has this path or one below it.
fn names_path(value: &OsStr, path: &Path) -> bool {
    let (value, path) = (value.as_bytes(), path.as_os_str().as_bytes());
    memmem::find_iter(value, path).any(|at| {
        value.get(at + path.len()).is_none_or(|after| !(after.is_ascii_alphanumeric() || b"_-.".contains(after)))
    })
}

#[cfg(test)]
mod tests;
