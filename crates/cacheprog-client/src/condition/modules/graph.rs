//! The modules of a go command: the main ones, the vendor directory, the replaced ones and the module cache
//! (cmd/go/internal/modload/init.go, vendor.go and load.go, Go 1.21-1.27).

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::condition::paths;
use crate::condition::setting::Setting;
use crate::condition::variables::text;

use super::flags::{ModFlag, mod_flag};
use super::go_mod::{GoMod, Replace, Target};
use super::modules_txt::ModulesTxt;

/// A larger go.mod or modules.txt is not read.
const MAX_SIZE: u64 = 8 << 20;

/// A module of the go command's own tree.
#[derive(Debug, Clone)]
pub(super) struct Main {
    pub(super) path: String,
    pub(super) dir: PathBuf,
}

/// See the file's header.
#[derive(Debug)]
pub(crate) struct Modules {
    pub(super) mains: Vec<Main>,
    /// The vendor directory, if the go command uses it.
    pub(super) vendor: Option<(PathBuf, ModulesTxt)>,
    pub(super) replaces: Vec<Replace>,
    pub(super) requires: Vec<(String, String)>,
    pub(super) cache: Option<PathBuf>,
}

impl Modules {
    /// Those of a go command. `None` where it has no main module, or where they cannot be told.
    pub(crate) fn read(setting: &Setting) -> Option<Self> {
        if text(&setting.variables, "GO111MODULE") == "off" {
            return None;
        }
        let flag = mod_flag(setting.arguments.as_deref()?, &setting.goflags)?;
        let cwd = current_dir(setting);
        let workspace = match go_work(setting, &cwd)? {
            Some(file) => Some((file.parent()?.to_owned(), read_go_mod(&file)?)),
            None => None,
        };
        let roots = match &workspace {
            Some((dir, work)) => work.uses.iter().map(|path| clean(&dir.join(path))).collect(),
            None => vec![cwd.ancestors().find(|dir| dir.join("go.mod").is_file())?.to_owned()],
        };
        let mut mains = Vec::new();
        let mut replaces = workspace.as_ref().map(|(_, work)| work.replaces.clone()).unwrap_or_default();
        let mut requires = Vec::new();
        for dir in roots {
            let read = read_go_mod(&dir.join("go.mod"))?;
            replaces.extend(read.replaces);
            requires.extend(read.requires);
            // The version of Go in a workspace is its own.
            mains.push((Main { path: read.module?, dir }, read.go));
        }
        let (top, go) = match (&workspace, mains.first()) {
            (Some((dir, work)), _) => (dir.clone(), work.go.clone()),
            (None, Some((main, go))) => (main.dir.clone(), go.clone()),
            (None, None) => return None,
        };
        let vendor = vendor(&top.join("vendor"), flag, go.as_deref(), workspace.is_some())?;
        let mains = mains.into_iter().map(|(main, _)| main).collect();
        Some(Self { mains, vendor, replaces, requires, cache: setting.gomodcache.clone() })
    }

    /// The root of a module: of a main one without a version, else of the one that has this version here. `None` where there is none,
    /// or more than one.
    pub(crate) fn root(&self, path: &str, version: Option<&str>) -> Option<PathBuf> {
        let mut mains = self.mains.iter().filter(|main| main.path == path);
        let root = match (version, mains.next()) {
            (None, Some(main)) if mains.next().is_none() => main.dir.clone(),
            (Some(version), None) => self.root_of_dependency(path, version)?,
            _ => return None,
        };
        let real = fs::canonicalize(root).ok()?;
        real.is_dir().then_some(real)
    }

    /// The directories of main modules, and those that stand in place of others: absolute.
    pub(crate) fn directories(&self) -> impl Iterator<Item = PathBuf> {
        let replaced = self.replaces.iter().filter_map(|replace| match &replace.target {
            Target::Directory(dir) => Some(dir),
            Target::Module(..) => None,
        });
        self.mains.iter().map(|main| &main.dir).chain(replaced).map(|dir| paths::real(&clean(dir)))
    }

    fn root_of_dependency(&self, path: &str, version: &str) -> Option<PathBuf> {
        if let Some((dir, listed)) = &self.vendor {
            return (listed.versions.get(path)? == version).then(|| dir.join(path));
        }
        match self.replacement(path, version) {
            Some(Target::Directory(dir)) => Some(clean(dir)),
            Some(Target::Module(path, version)) => self.in_cache(path, version),
            None => self.in_cache(path, version),
        }
    }

    /// What stands in place of a module: for its version, else for all of them. The first line counts; a go.work's come first.
    pub(super) fn replacement(&self, path: &str, version: &str) -> Option<&Target> {
        let of = |wanted: Option<&str>| {
            self.replaces.iter().find(|replace| replace.path == path && replace.version.as_deref() == wanted)
        };
        of(Some(version)).or_else(|| of(None)).map(|replace| &replace.target)
    }

    pub(super) fn in_cache(&self, path: &str, version: &str) -> Option<PathBuf> {
        let is_plain = |text: &str| !text.is_empty() && !text.split('/').any(|part| matches!(part, "" | "." | ".."));
        let cache = self.cache.as_ref()?;
        (is_plain(path) && is_plain(version)).then(|| cache.join(format!("{}@{}", escape(path), escape(version))))
    }
}

/// As the module cache writes names: an upper-case letter is a `!` and its small one (golang.org/x/mod/module `EscapePath`).
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if letter.is_ascii_uppercase() {
            escaped.push('!');
        }
        escaped.push(letter.to_ascii_lowercase());
    }
    escaped
}

/// The opposite.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut unescaped = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '!' => unescaped.push(letters.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            letter if letter.is_ascii_uppercase() => return None,
            letter => unescaped.push(letter),
        }
    }
    Some(unescaped)
}

/// The directory as the go command sees it: `PWD`, if that is it (os.Getwd).
pub(crate) fn current_dir(setting: &Setting) -> PathBuf {
    let pwd = PathBuf::from(text(&setting.variables, "PWD"));
    let is_it = pwd.is_absolute() && fs::canonicalize(&pwd).ok() == fs::canonicalize(&setting.cwd).ok();
    if is_it { clean(&pwd) } else { setting.cwd.clone() }
}

/// The go.work of a go command; no workspace is `Some(None)`. `None` where it cannot be told.
#[expect(clippy::option_option, reason = "not to be told, and none, are two answers")]
pub(crate) fn go_work(setting: &Setting, cwd: &Path) -> Option<Option<PathBuf>> {
    match setting.gowork.as_deref().filter(|value| !value.is_empty()) {
        Some(value) if value == "off" => Some(None),
        Some(value) => {
            Some(Some(PathBuf::from(value)).filter(|path| path.is_absolute() && path.is_file())).filter(Option::is_some)
        }
        None => Some(cwd.ancestors().map(|dir| dir.join("go.work")).find(|file| file.is_file())),
    }
}

/// The vendor directory, if it is used: by the flag, else where the main module is of Go 1.14 or later and the directory was made for
/// it (cmd/go/internal/modload/init.go `setDefaultBuildMod`).
#[expect(clippy::option_option, reason = "not to be told, and not used, are two answers")]
fn vendor(dir: &Path, flag: ModFlag, go: Option<&str>, is_workspace: bool) -> Option<Option<(PathBuf, ModulesTxt)>> {
    if flag == ModFlag::Cache || (flag == ModFlag::Default && !dir.is_dir()) {
        return Some(None);
    }
    let listed = match read_text(&dir.join("modules.txt")) {
        Ok(text) => ModulesTxt::parse(&text),
        Err(e) if e.kind() == ErrorKind::NotFound => ModulesTxt::default(),
        Err(_) => return None,
    };
    let is_new = match go {
        Some(go) => is_at_least_1_14(go)?,
        None => false,
    };
    let is_used = flag == ModFlag::Vendor || (is_new && listed.is_workspace == is_workspace);
    Some(is_used.then(|| (dir.to_owned(), listed)))
}

pub(super) fn is_at_least_1_14(version: &str) -> Option<bool> {
    let mut numbers = version.split('.').map(|number| number.parse::<u32>());
    let major = numbers.next()?.ok()?;
    // `1.21rc1`
    let minor = version.split('.').nth(1)?;
    let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
    Some((major, minor[..digits].parse().ok()?) >= (1, 14))
}

fn read_go_mod(path: &Path) -> Option<GoMod> {
    GoMod::parse(&read_text(path).ok()?, path.parent()?)
}

fn read_text(path: &Path) -> std::io::Result<String> {
    if fs::metadata(path)?.len() > MAX_SIZE {
        return Err(ErrorKind::FileTooLarge.into());
    }
    fs::read_to_string(path)
}

/// As Go's filepath.Clean, by text.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        if component.as_os_str() == OsStr::new("..") {
            cleaned.pop();
        } else {
            cleaned.push(component);
        }
    }
    cleaned
}

/// The real path of a directory that may be inside of others.
pub(super) fn same_dir(one: &Path, two: &Path) -> bool {
    one == two || paths::real(one) == paths::real(two)
}
