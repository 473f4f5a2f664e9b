//! The conditions of one go command: what a scope holds now. (Which scope an archive has is in `scope_choice`.)

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use blake3::{Hash, Hasher};
use proto::condition::scopes;
use proto::parts::{Part, Parts};
use proto::{Scope, ScopeDigest};

use crate::digest::add_part;

use super::command_line_digest::{self, CommandLine};
use super::counted_variables::CountedVariables;
use super::escapes::{Runs, Verdict};
use super::excluded::Excluded;
use super::file_lists::FileLists;
use super::files::Rule;
use super::made_archive::MadeBy;
use super::modules::Modules;
use super::programs::{self, Program};
use super::setting::Setting;
use super::stamp::Stamp;
use super::variables::{is_build, value};
use super::{named_variables, paths, tree};

/// Digests are made again where what they are over changes.
const RULES: &[u8] = b"nix-gocacheprog condition 5";

/// Scopes and their digests. It belongs to one thread, which may wait for files.
#[derive(Debug)]
pub(crate) struct Conditions {
    pub(super) setting: Setting,
    pub(super) goroot: PathBuf,
    /// The root of the tree.
    pub(super) tree: Option<PathBuf>,
    pub(super) file_lists: FileLists,
    /// Names in directories where names come and go, when the go command began.
    names_at_start: Vec<(PathBuf, Option<Hash>)>,
    /// Read at the first use; `Some(None)`: they cannot be told.
    modules: Option<Option<Modules>>,
    machine: Option<Option<Machine>>,
}

/// The parts of an environment that C tools depend on.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) counted: CountedVariables,
    pub(super) programs: Vec<Program>,
}

/// What a scope is made of. Finding it out may take reading sources and tools: it is done once for a digest.
struct Makeup {
    content: Content,
    /// See [`Conditions::files_for_vet`].
    for_vet: Vec<(PathBuf, Rule)>,
    /// Whether variables and programs are a part of it.
    has_machine: bool,
    line: Option<CommandLine>,
}

impl Makeup {
    /// The roots of all files.
    fn files(&self) -> impl Iterator<Item = &(PathBuf, Rule)> {
        let own = match &self.content {
            Content::Files(files) => Some(files),
            Content::Nothing | Content::InStore(_) => None,
        };
        self.for_vet.iter().chain(own)
    }
}

/// The files of a scope.
enum Content {
    Nothing,
    /// Files below a root.
    Files((PathBuf, Rule)),
    /// A directory in the Nix store, which its path stands for.
    InStore(PathBuf),
}

impl Conditions {
    /// To be called before the go command is answered for the first time: it notes which names there are in the build's directory.
    pub(crate) fn new(setting: Setting) -> Self {
        let excluded = Excluded::of(&setting);
        let tree = tree::root(&setting);
        let names_at_start = excluded.temporary_names(tree.as_deref());
        let file_lists = FileLists::new(excluded, tree.as_deref(), &setting);
        let goroot = paths::real(&setting.goroot);
        Self { setting, goroot, tree, file_lists, names_at_start, modules: None, machine: None }
    }

    /// What a scope holds now. `None` where that cannot be told.
    pub(crate) fn digest(&mut self, scope: &Scope) -> Option<ScopeDigest> {
        let makeup = self.makeup(scope)?;
        self.hash(scope, &makeup, &mut Parts::default())
    }

    /// What a scope holds now, if nothing in it changed since the go command began.
    pub(crate) fn digest_unchanged(&mut self, scope: &Scope) -> Option<ScopeDigest> {
        // What a compiler in the tree answers depends on what it reads there.
        if *scope == scopes::STD && self.scope_of_std(MadeBy::Others)? != scopes::STD {
            return None;
        }
        let makeup = self.makeup(scope)?;
        let digest = self.hash(scope, &makeup, &mut Parts::default())?;
        let since = self.setting.started;
        for (root, rule) in makeup.files() {
            let since = self.unpacked_at(root).map_or(since, |unpacked| unpacked.max(since));
            if !self.file_lists.list(root, *rule)?.is_older(since, &self.names_at_start) {
                return None;
            }
        }
        if makeup.has_machine && !programs::are_older(&self.machine()?.programs, since) {
            return None;
        }
        let line = makeup.line.as_ref();
        line.is_none_or(|line| line.stamps.iter().all(|stamp| stamp.is_before(since))).then_some(digest)
    }

    /// When the go command had unpacked a module, if this is the root of one. It may have done so itself, before it compiled anything: it
    /// takes the write permissions away then, of the root last (cmd/go/internal/modfetch/fetch.go `makeDirsReadOnly`, Go 1.21-1.27).
    fn unpacked_at(&self, root: &Path) -> Option<SystemTime> {
        let cache = paths::real(self.setting.gomodcache.as_ref()?);
        let metadata = fs::metadata(root).ok().filter(|metadata| metadata.permissions().mode() & 0o222 == 0)?;
        let is_unpacked = root.starts_with(cache) && root.file_name()?.as_bytes().contains(&b'@');
        is_unpacked.then(|| Stamp::of(&metadata).map(|stamp| stamp.settled()))?
    }

    /// The parts of the scope's digest, as `proto::parts` writes them. `None` where there is no digest.
    pub(crate) fn parts(&mut self, scope: &Scope) -> Option<Vec<u8>> {
        let mut parts = Parts::default();
        let makeup = self.makeup(scope)?;
        self.hash(scope, &makeup, &mut parts)?;
        for (root, rule) in makeup.files() {
            self.file_lists.list(root, *rule)?.add_parts(&mut parts);
        }
        Some(parts.write())
    }

    /// The next digest looks at the files again.
    pub(crate) fn forget_looks(&mut self) {
        self.file_lists.forget();
        self.machine = None;
    }

    fn makeup(&mut self, scope: &Scope) -> Option<Makeup> {
        let content = self.content(scope)?;
        let for_vet = self.files_for_vet(scope)?;
        let has_machine = has_machine(scope) || for_vet.iter().any(|(_, rule)| *rule != Rule::Vet);
        Some(Makeup { content, for_vet, has_machine, line: self.command_line(scope)? })
    }

    fn hash(&mut self, scope: &Scope, makeup: &Makeup, parts: &mut Parts) -> Option<ScopeDigest> {
        let mut hasher = Hasher::new();
        hasher.update(RULES);
        let mut counts_seed = false;
        match &makeup.content {
            Content::Nothing => {}
            Content::InStore(path) => {
                add_part(&mut hasher, path.as_os_str().as_encoded_bytes());
                parts.add_file(&path.to_string_lossy(), blake3::hash(path.as_os_str().as_encoded_bytes()).as_bytes());
                counts_seed = true;
            }
            Content::Files((root, rule)) => {
                // The tree may be named by its path, in a file or in a variable.
                if matches!(rule, Rule::Tree | Rule::TreeWithGo) {
                    let root = root.as_os_str().as_encoded_bytes();
                    add_part(&mut hasher, root);
                    parts.add(Part::Root, "root", blake3::hash(root).as_bytes());
                }
                let list = self.file_lists.list(root, *rule)?;
                hasher.update(list.digest().as_bytes());
                counts_seed = list.has_cxx() && *rule != Rule::Toolchain;
            }
        }
        for (root, rule) in &makeup.for_vet {
            if *rule != Rule::Module {
                add_part(&mut hasher, root.as_os_str().as_bytes());
            }
            hasher.update(self.file_lists.list(root, *rule)?.digest().as_bytes());
        }
        if makeup.has_machine {
            let machine = self.machine()?;
            machine.counted.add(&mut hasher, parts, counts_seed);
            programs::add(&machine.programs, &mut hasher, parts);
        }
        if has_machine(scope) {
            for (name, value) in self.named_variables(makeup.line.as_ref())? {
                add_part(&mut hasher, name.as_bytes());
                add_part(&mut hasher, &value);
                parts.add(Part::Variable, &name, blake3::hash(&value).as_bytes());
            }
        }
        if let Some(line) = &makeup.line {
            hasher.update(line.hash.as_bytes());
            line.flags.iter().for_each(|(name, hash)| parts.add(Part::Flags, name, hash.as_bytes()));
        }
        Some(ScopeDigest(*hasher.finalize().as_bytes()))
    }

    /// `None` for a scope that this go command cannot use: a module that is not here or leads out of itself; without a clean command
    /// line all but one, and with one that one.
    fn content(&mut self, scope: &Scope) -> Option<Content> {
        if self.setting.is_clean == (*scope == scopes::TREE_WITH_GO) {
            return None;
        }
        let tree = self.tree.clone();
        let of_tree = |rule| Some(Content::Files((tree?, rule)));
        if *scope == scopes::STD || *scope == scopes::ASM_STD {
            // What assembly and C of the toolchain include is in no key. Elsewhere than in the store it may change.
            let sources = || Content::Files((self.goroot.join("src"), Rule::Toolchain));
            return Some(if self.is_goroot_fixed() { Content::Nothing } else { sources() });
        }
        if let Some((path, version)) = scope.module_and_version() {
            let root = self.modules()?.root(path, version)?;
            return self.content_of_module(root, if scope.is_asm() { Runs::Go } else { Runs::Programs });
        }
        if *scope == scopes::TREE || *scope == scopes::TREE_WITH_GO {
            of_tree(self.rule_of_tree()?)
        } else if is_of_vet(scope) {
            of_tree(Rule::Vet)
        } else {
            None
        }
    }

    /// Which files of the tree count for what may read any of them. `None` where they lead out of it.
    fn rule_of_tree(&mut self) -> Option<Rule> {
        let tree = self.tree.clone()?;
        let is_clean = self.setting.is_clean;
        // Scripts name what they write: a tool of a go command that is not clean may put a source elsewhere.
        let (rule, runs) = if is_clean { (Rule::Tree, Runs::Programs) } else { (Rule::TreeWithGo, Runs::Go) };
        let mut references = self.file_lists.list(&tree, rule)?.references();
        let names_go = references.take_go_source();
        if self.judge(&tree, &references, (true, runs))? == Verdict::Leaves {
            return None;
        }
        // A compiler that is a script of the tree may read its Go sources too.
        let has_go = !is_clean || names_go || self.has_programs_in_tree()?;
        Some(if has_go { Rule::TreeWithGo } else { Rule::Tree })
    }

    /// What C is made of that vet sees: it reads the Go sources that cgo made, whose types are those of headers, and its key has no more
    /// of them than a compiler's has (cmd/go/internal/work/exec.go `vet`: the action of the package, not its content, Go 1.21-1.27).
    /// Nothing where no source of the tree has C in it, and for other scopes. With it variables and programs count. Besides, the files of
    /// modules beside the tree.
    fn files_for_vet(&mut self, scope: &Scope) -> Option<Vec<(PathBuf, Rule)>> {
        if !is_of_vet(scope) {
            return Some(Vec::new());
        }
        let tree = self.tree.clone()?;
        let beside = self.modules_beside(&tree);
        let (mut roots, mut verdict, mut with_c) = (BTreeSet::new(), Verdict::Stays, BTreeSet::new());
        for root in [&tree].into_iter().chain(&beside) {
            with_c.extend(self.file_lists.list(root, Rule::Vet)?.directories_with_c());
        }
        for dir in with_c {
            let Some(package) = self.modules().and_then(|modules| modules.package_in(&dir)) else {
                verdict = verdict.max(if dir.starts_with(&tree) { Verdict::Tree } else { Verdict::Leaves });
                continue;
            };
            verdict = verdict.max(self.judge_package(&package)?);
            if !self.is_in_store(&package.root) {
                roots.insert(package.root);
            }
        }
        let mut files: Vec<_> = beside.into_iter().map(|root| (root, Rule::Vet)).collect();
        match verdict {
            Verdict::Stays => files.extend(roots.into_iter().map(|root| (root, Rule::Module))),
            Verdict::Tree => files.push((tree, self.rule_of_tree()?)),
            Verdict::Leaves => return None,
        }
        Some(files)
    }

    /// Directories of modules outside of the tree, which no version names: vet reads their packages too.
    fn modules_beside(&mut self, tree: &Path) -> BTreeSet<PathBuf> {
        let all: BTreeSet<_> = self.modules().map(|modules| modules.directories().collect()).unwrap_or_default();
        all.into_iter().filter(|dir| !dir.starts_with(tree) && !self.is_in_store(dir) && dir.is_dir()).collect()
    }

    fn content_of_module(&mut self, root: PathBuf, runs: Runs) -> Option<Content> {
        if self.is_in_store(&root) {
            return Some(Content::InStore(root));
        }
        let stays = self.judge_module(&root, runs)? == Verdict::Stays;
        stays.then_some(Content::Files((root, Rule::Module)))
    }

    fn has_programs_in_tree(&mut self) -> Option<bool> {
        let tree = self.tree.clone()?;
        Some(self.machine()?.programs.iter().flat_map(|program| &program.files).any(|file| file.starts_with(&tree)))
    }

    /// Variables that programs of the build name, besides those that count anyway.
    fn named_variables(&mut self, line: Option<&CommandLine>) -> Option<Vec<(String, Vec<u8>)>> {
        let programs = &self.machine()?.programs;
        let of_line = |files: fn(&CommandLine) -> &Vec<PathBuf>| line.into_iter().flat_map(files).cloned();
        let in_store = programs.iter().flat_map(|program| program.in_store.clone());
        let in_store: Vec<_> = in_store.chain(of_line(|line| &line.in_store)).collect();
        let files = programs.iter().flat_map(|program| program.files.clone());
        let files = files.filter(|file| !paths::is_of_system(file));
        let mut files: Vec<_> = files.chain(of_line(|line| &line.files)).collect();
        self.add_named_scripts(&mut files)?;
        // Files that Nix and stdenv write there are no part of a tree.
        let is_of_nix = |path: &Path| path.file_name().is_some_and(super::is_of_nix) && path.is_file();
        let is_known = |path: &Path| {
            let is_left_out = |tree| self.file_lists.excluded.covers(Rule::TreeWithGo, tree, path) || is_of_nix(path);
            self.tree.as_ref().is_some_and(|tree| path.starts_with(tree) && !is_left_out(tree))
                || self.is_in_store(path)
                || paths::is_of_system(path)
        };
        let variables = &self.setting.variables;
        // A script finds programs there too.
        let mut search_path = value(variables, "PATH").into_iter().flat_map(std::env::split_paths);
        let is_apart = |dir: PathBuf| dir.is_dir() && !is_known(&paths::real(&dir));
        if is_build(variables) && !files.is_empty() && search_path.any(is_apart) {
            return None;
        }
        named_variables::find(&files, &in_store, variables, is_known)
    }

    /// Adds files of the tree whose names stand in a program of the tree, or in one that such a file leads to: a script runs or reads others.
    fn add_named_scripts(&mut self, files: &mut Vec<PathBuf>) -> Option<()> {
        let Some(tree) = self.tree.clone() else { return Some(()) };
        let is_of_tree = |file: &&PathBuf| file.starts_with(&tree);
        if !files.iter().any(|file| is_of_tree(&file)) {
            return Some(());
        }
        let list = self.file_lists.list(&tree, Rule::TreeWithGo)?;
        named_variables::add_named(files, list.files(), is_of_tree);
        Some(())
    }

    fn command_line(&self, scope: &Scope) -> Option<Option<CommandLine>> {
        if *scope != scopes::TREE_WITH_GO {
            return Some(None);
        }
        let own = &self.file_lists.excluded.own_outputs;
        command_line_digest::read(&self.setting, self.tree.as_deref()?, own).map(Some)
    }

    pub(super) fn modules(&mut self) -> Option<&Modules> {
        let setting = &self.setting;
        self.modules.get_or_insert_with(|| Modules::read(setting)).as_ref()
    }

    pub(super) fn machine(&mut self) -> Option<&Machine> {
        let variables = &self.setting.variables;
        let read = || Some(Machine { counted: CountedVariables::of(variables)?, programs: programs::find(variables)? });
        self.machine.get_or_insert_with(read).as_ref()
    }

    /// Whether a path is in an immutable object of the Nix store.
    pub(super) fn is_in_store(&self, path: &Path) -> bool {
        paths::is_in_store(path, &self.file_lists.excluded.own_outputs)
    }

    /// Whether the toolchain is in the Nix store, so that its path stands for its sources.
    pub(super) fn is_goroot_fixed(&self) -> bool {
        self.is_in_store(&self.goroot)
    }
}

/// Whether variables and programs are a part of the scope.
fn has_machine(scope: &Scope) -> bool {
    !scope.is_asm() && !is_of_vet(scope)
}

fn is_of_vet(scope: &Scope) -> bool {
    [scopes::VET, scopes::VET_OUTPUT, scopes::FACTS].contains(scope)
}

#[cfg(test)]
mod tests;
