//! What lies in a tree and is no part of any scope: the go command's own directories and files that others write meanwhile.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use blake3::{Hash, Hasher};

use crate::digest::add_part;

use super::files::Rule;
use super::own_outputs::OwnOutputs;
use super::paths;
use super::setting::Setting;
use super::variables::{is_build, text};

/// Directories of version control: each commit changes them. No compiler reads there; docs/explanation/soundness.md names them.
pub(super) const VERSION_CONTROL: [&[u8]; 5] = [b".git", b".hg", b".svn", b".bzr", b".jj"];

/// Files that Nix and stdenv write beside the sources; they hold the outputs' paths (nix build.cc `initTmpDir`, nixpkgs
/// pkgs/stdenv/generic/setup.sh `dumpVars`).
pub(super) const OF_NIX: [&[u8]; 3] = [b"env-vars", b".attrs.json", b".attrs.sh"];

/// Beginnings of names in a directory for temporary files: those of the go command, its linker and cgo (cmd/cgo/util.go `run`), with
/// digits behind them, and those of nixpkgs' wrappers of compiler and linker.
const OF_GO: [&[u8]; 3] = [b"go-build", b"go-link-", b"cgo-gcc-input-"];
const OF_WRAPPERS: [&[u8]; 2] = [b"cc-params.", b"ld-params."];
/// The beginning of gcc's own.
const OF_GCC: &[u8] = b"cc";

/// See the file's header.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excluded {
    /// Directories of the go command.
    directories: Vec<PathBuf>,
    /// Where `go install` puts programs: these do not count, other files there do. With an unclean command line all count, since a
    /// program there may be one of its tools.
    programs: Vec<PathBuf>,
    /// `NIX_BUILD_TOP`.
    top: Option<PathBuf>,
    /// Directories for temporary files, and those for programs: names come and go.
    temporary: Vec<PathBuf>,
    /// Paths of the derivation's own outputs: in the store, and written now.
    pub(crate) own_outputs: Vec<PathBuf>,
}

impl Excluded {
    pub(crate) fn of(setting: &Setting) -> Self {
        let variable = |name| Some(PathBuf::from(text(&setting.variables, name))).filter(|path| path.is_absolute());
        let cwd = paths::real(&setting.cwd);
        let all = |paths: Vec<Option<PathBuf>>| -> BTreeSet<_> {
            paths.into_iter().flatten().map(|path| paths::real(&path)).collect()
        };
        // `GOBIN=$PWD`: the sources are there too.
        let apart = |paths| all(paths).into_iter().filter(|path| !cwd.starts_with(path)).collect();
        let home = |below: &str| variable("HOME").map(|home| home.join(below));
        let gopath = || setting.gopath.iter().flat_map(std::env::split_paths).filter(|path| path.is_absolute());
        let mut directories = vec![
            setting.gocache.clone(),
            setting.gomodcache.clone(),
            variable("XDG_CONFIG_HOME").map(|dir| dir.join("go/telemetry")).or_else(|| home(".config/go/telemetry")),
            variable("GOTELEMETRYDIR"),
            variable("XDG_CACHE_HOME")
                .map(|dir| dir.join("nix-gocacheprog"))
                .or_else(|| home(".cache/nix-gocacheprog")),
        ];
        directories.extend(gopath().map(|dir| Some(dir.join("pkg/sumdb"))));
        let programs = variable("GOBIN").into_iter().chain(gopath().map(|dir| dir.join("bin"))).map(Some).collect();
        let top = is_build(&setting.variables).then(|| variable("NIX_BUILD_TOP")).flatten();
        // Files in them count, but those of the go command and of compilers.
        let mut temporary = ["TMPDIR", "TMP", "TEMP", "TEMPDIR", "NIX_BUILD_TOP"].map(variable).to_vec();
        temporary.push(setting.gotmpdir.clone());
        let programs: Vec<PathBuf> = apart(programs);
        temporary.extend(programs.iter().cloned().map(Some));
        Self {
            directories: apart(directories),
            programs,
            top: top.map(|top| paths::real(&top)),
            temporary: all(temporary).into_iter().collect(),
            own_outputs: OwnOutputs::of(&setting.variables).map(|own| own.paths().collect()).unwrap_or_default(),
        }
    }

    /// Whether a name in this directory does not count.
    pub(crate) fn has(&self, rule: Rule, dir: &Path, name: &OsStr) -> bool {
        let bytes = name.as_bytes();
        // Programs of a build may ask git.
        let counts_all = rule == Rule::TreeWithGo && self.top.is_some();
        if (VERSION_CONTROL.contains(&bytes) && !counts_all)
            || (self.top.as_deref() == Some(dir) && is_of_nix(name))
            || (self.is_temporary(dir) && is_temporary_name(bytes))
        {
            return true;
        }
        let path = dir.join(name);
        self.directories.contains(&path) || (rule != Rule::TreeWithGo && is_of_programs(&self.programs, &path))
    }

    /// The directories that are left out, and those of which programs are.
    pub(crate) fn directories(&self) -> (&[PathBuf], &[PathBuf]) {
        (&self.directories, &self.programs)
    }

    /// Whether a path below `root` is, or leads through, what does not count; or is a directory that has such programs.
    pub(crate) fn covers(&self, rule: Rule, root: &Path, path: &Path) -> bool {
        let is_for_programs = self.programs.iter().any(|dir| dir == path);
        if rule != Rule::TreeWithGo && is_for_programs && are_programs(path).any(|is| is) {
            return true;
        }
        path.ancestors()
            .take_while(|path| *path != root && path.starts_with(root))
            .any(|path| path.parent().zip(path.file_name()).is_some_and(|(dir, name)| self.has(rule, dir, name)))
    }

    /// Whether names come and go in this directory while a go command runs.
    pub(crate) fn is_temporary(&self, dir: &Path) -> bool {
        self.temporary.iter().any(|temporary| temporary == dir)
    }

    /// The directories of a tree in which names come and go, with the names that count there now.
    pub(crate) fn temporary_names(&self, tree: Option<&Path>) -> Vec<(PathBuf, Option<Hash>)> {
        let is_in_tree = |dir: &&PathBuf| tree.is_some_and(|tree| dir.starts_with(tree));
        self.temporary.iter().filter(is_in_tree).map(|dir| (dir.clone(), self.names_in(dir))).collect()
    }

    /// The digest of the names that count in a directory.
    pub(crate) fn names_in(&self, dir: &Path) -> Option<Hash> {
        let entries = fs::read_dir(dir).ok()?.map(|entry| entry.ok().map(|entry| entry.file_name()));
        let mut names: Vec<_> = entries.collect::<Option<_>>()?;
        names.retain(|name| !self.has(Rule::TreeWithGo, dir, name));
        names.sort();
        let mut hasher = Hasher::new();
        names.iter().for_each(|name| add_part(&mut hasher, name.as_bytes()));
        Some(hasher.finalize())
    }

    /// A digest of all of it: what was read under other exclusions is not the same.
    pub(crate) fn digest(&self) -> Hash {
        blake3::hash(format!("{self:?}").as_bytes())
    }
}

/// Whether a path is one of these directories for programs with nothing else in it, or a program in one.
pub(crate) fn is_of_programs(directories: &[PathBuf], path: &Path) -> bool {
    let is_one_for = |path: &Path| directories.iter().any(|programs| programs == path);
    (path.parent().is_some_and(is_one_for) && is_program(path)) || (is_one_for(path) && are_programs(path).all(|is| is))
}

/// For each name in a directory, whether it is a program. What cannot be read is none.
fn are_programs(dir: &Path) -> impl Iterator<Item = bool> {
    fs::read_dir(dir).into_iter().flatten().map(|entry| entry.is_ok_and(|entry| is_program(&entry.path())))
}

/// Whether it is a file that can be run, or leads to one.
fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether Nix or stdenv writes a file of this name directly in `NIX_BUILD_TOP`.
pub(crate) fn is_of_nix(name: &OsStr) -> bool {
    OF_NIX.contains(&name.as_bytes())
}

/// What names of temporary files begin with: see [`is_temporary_name`].
pub(super) fn starts_of_temporary_names<'a>() -> impl Iterator<Item = &'a [u8]> {
    OF_GO.into_iter().chain(OF_WRAPPERS).chain([OF_GCC])
}

/// Whether a name is of a temporary file: also gcc's own, `cc` with six letters or digits by chance and an ending (libiberty
/// make-temp-file.c). Six small letters are rather a word.
pub(crate) fn is_temporary_name(name: &[u8]) -> bool {
    let is_by_chance =
        |letters: &[u8]| letters.iter().all(u8::is_ascii_alphanumeric) && !letters.iter().all(u8::is_ascii_lowercase);
    let is_of_gcc = name
        .strip_prefix(OF_GCC)
        .is_some_and(|rest| rest.len() > 6 && rest[6] == b'.' && is_by_chance(&rest[..6]) && !is_header(rest));
    let is_number = |rest: &[u8]| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit);
    let name = name.strip_suffix(b".c").filter(|name| name.starts_with(b"cgo-")).unwrap_or(name);
    let is_of_go = OF_GO.iter().any(|start| name.strip_prefix(*start).is_some_and(is_number));
    is_of_gcc || is_of_go || (OF_WRAPPERS.iter().any(|start| name.starts_with(start)) && !is_header(name))
}

/// No compiler calls a temporary file so: `ccconfig.h` is a header of the sources.
fn is_header(name: &[u8]) -> bool {
    [&b".h"[..], b".hh", b".hpp", b".hxx", b".inc", b".pc", b".a"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::tree_fixture::TestTree;

    #[test]
    fn programs_that_go_installs_do_not_count_and_files_beside_them_do() {
        let tree = TestTree::new(&[("src/go.mod", "module m\n"), ("go/bin/tool", "1"), ("go/bin/v.h", "1")]);
        let (go, bin) = (tree.path("go"), tree.path("go/bin"));
        let has = |rule, dir: &Path, name: &str| Excluded::of(&tree.setting("src", &[])).has(rule, dir, name.as_ref());
        fs::set_permissions(bin.join("tool"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(has(Rule::Tree, &bin, "tool") && !has(Rule::Tree, &bin, "v.h") && !has(Rule::Tree, &go, "bin"));
        assert!(!has(Rule::TreeWithGo, &bin, "tool"), "it may be a tool of the go command");
        fs::set_permissions(bin.join("v.h"), PermissionsExt::from_mode(0o755)).unwrap();
        assert!(has(Rule::Tree, &go, "bin") && !has(Rule::TreeWithGo, &go, "bin"));
    }

    #[test]
    fn directories_of_version_control_count_where_programs_of_a_build_may_read_them() {
        let tree = TestTree::new(&[("src/go.mod", "module m\n")]);
        let excluded = Excluded::of(&tree.setting("src", &[]));
        let has = |rule| excluded.has(rule, &tree.path("src"), ".git".as_ref());
        assert!(has(Rule::Module) && has(Rule::Tree) && !has(Rule::TreeWithGo));
    }
}
