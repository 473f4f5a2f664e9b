//! Makes an account of a trace and of the outputs that the build has seen.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use proto::control::BuildStatus;
use proto::id::hex;
use proto::profile::{Action, BuildProfile, GetOutcome, Other, OutputKind, Package};
use proto::{ActionId, OutputId};
use sha2::{Digest, Sha256};
use store::archive::Archive;
use store::{INDEX, Kind, TEST_LOG, TEST_PASSED};

use crate::trace::{self, Event, Events};

/// Packages that an account holds, and others: bounds the memory that making it takes. Its bytes are bounded as well.
const MOST: usize = 10_000;

/// Bytes of memory for what packages say of themselves, which a build has chosen: the 1,500 of a web server take 10 MB.
const MOST_MEMORY: usize = 32 << 20;

/// Forms of one package that export the same, among which the one that was meant is looked for.
const MOST_FORMS: usize = 16;

/// Bytes at the end of a test's output in which its last line is.
const TAIL: u64 = 1024;

/// What is known of one action.
#[derive(Debug, Default)]
struct Asked {
    get: Option<trace::Get>,
    put: Option<trace::Put>,
}

impl Asked {
    fn output(&self) -> Option<OutputId> {
        let asked = self.get.and_then(|get| match get.came {
            trace::Came::Miss => None,
            trace::Came::Hit(output) | trace::Came::HitIf(output) | trace::Came::Rejected(output) => Some(output),
        });
        self.put.map(|put| put.output).or(asked)
    }

    fn action(&self, id: &ActionId) -> Action {
        let outcome = self.get.map_or(GetOutcome::Unasked, |get| match get.came {
            trace::Came::Miss => GetOutcome::Miss,
            trace::Came::Hit(_) => GetOutcome::Hit,
            trace::Came::HitIf(_) => GetOutcome::HitIf,
            trace::Came::Rejected(_) => GetOutcome::Rejected,
        });
        let get = self.get.map(|get| (get.session, get.at_ms));
        let (session, at_ms) = get.or(self.put.map(|put| (put.session, put.at_ms))).unwrap_or_default();
        Action {
            key: hex(&id.0[..8]),
            session,
            get: outcome,
            at_ms,
            cost_ms: self.put.map_or(0, |put| put.cost_ms),
            put: self.put.map(|put| put.fate),
        }
    }
}

/// An account of what `trace` says; `outputs` is the directory in which the build sees them.
pub(crate) fn make(build: BuildStatus, trace: impl BufRead, outputs: &Path) -> BuildProfile {
    let mut account = BuildProfile { build, ..BuildProfile::default() };
    let mut asked: HashMap<ActionId, Asked> = HashMap::new();
    for event in Events::new(trace) {
        match event {
            Event::Session(session) => account.sessions.push(session),
            Event::Get(get) => drop(asked.entry(get.action).or_default().get.get_or_insert(get)),
            Event::Put(put) => drop(asked.entry(put.action).or_default().put.get_or_insert(put)),
        }
    }
    let mut in_order: Vec<_> = asked.iter().collect();
    in_order.sort_by_key(|(id, asked)| (asked.action(id).at_ms, **id));
    let mut read = Reading { outputs, archives: Vec::new(), memory: 0, subkeys: HashSet::new() };
    let mut rest = Vec::new();
    for (id, asked) in in_order {
        match asked.output().and_then(|output| read.archive(&output)) {
            Some(archive) if read.archives.len() < MOST && read.memory < MOST_MEMORY => read.add(id, asked, archive),
            Some(_) => account.left_out += 1,
            None => rest.push((id, asked)),
        }
    }
    for (id, asked) in rest.iter().filter(|(_, asked)| asked.put.is_none()) {
        let link = subkey(id, "link-stdout");
        if asked.get.is_some_and(|get| get.came == trace::Came::Miss) {
            read.subkeys.insert(link);
        }
    }
    for (id, asked) in rest.into_iter().filter(|(id, _)| !read.subkeys.contains(*id)) {
        if account.others.len() < MOST {
            account.others.push(read.other(id, asked));
        } else {
            account.left_out += 1;
        }
    }
    account.packages = packages(&read.archives);
    account
}

/// What was read of the outputs.
struct Reading<'a> {
    outputs: &'a Path,
    archives: Vec<(Action, Archive)>,
    /// What these take.
    memory: usize,
    /// Actions that belong to a package's: what the compiler printed, and the list of source files.
    subkeys: HashSet<ActionId>,
}

impl Reading<'_> {
    fn open(&self, output: &OutputId) -> Option<File> {
        File::open(self.outputs.join(output.to_string())).ok()
    }

    fn archive(&self, output: &OutputId) -> Option<Archive> {
        if *output == OutputId::EMPTY {
            return None; // a quarter of all
        }
        let file = self.open(output)?;
        Archive::read(&|bytes: &mut [u8], at| file.read_exact_at(bytes, at))
    }

    fn add(&mut self, id: &ActionId, asked: &Asked, archive: Archive) {
        self.subkeys.extend(["stdout", "srcfiles"].map(|name| subkey(id, name)));
        self.memory += archive.weight();
        self.archives.push((asked.action(id), archive));
    }

    fn other(&self, id: &ActionId, asked: &Asked) -> Other {
        let kind = asked.put.map(|put| put.kind);
        let mut path = String::new();
        let output_kind = match asked.output() {
            None if self.subkeys.contains(&subkey(id, "link-stdout")) => OutputKind::Link,
            None => OutputKind::NeverPut,
            Some(_) if kind == Some(Kind::Mtime) => OutputKind::Mtime,
            Some(_) if kind == Some(Kind::StoreIndex) => OutputKind::GoIndex,
            Some(output) => {
                let tail = self.tail(&output);
                let head = self.head(&output);
                if let Some(tested) = tail.lines().last().and_then(|line| line.strip_prefix(TEST_PASSED)) {
                    path = tested.split('\t').next().unwrap_or_default().chars().take(128).collect();
                    OutputKind::TestResult
                } else if head.starts_with(TEST_LOG) {
                    OutputKind::TestLog
                } else if head.starts_with(INDEX) {
                    OutputKind::Mtime
                } else {
                    OutputKind::Rest
                }
            }
        };
        Other { action: asked.action(id), kind: output_kind, path }
    }

    fn head(&self, output: &OutputId) -> String {
        let mut head = Vec::new();
        let read = self.open(output).and_then(|file| file.take(32).read_to_end(&mut head).ok());
        read.map_or(String::new(), |_| String::from_utf8_lossy(&head).into_owned())
    }

    fn tail(&self, output: &OutputId) -> String {
        let read = || {
            let mut file = self.open(output)?;
            let size = file.metadata().ok()?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
            let mut tail = Vec::new();
            file.take(TAIL).read_to_end(&mut tail).ok()?;
            Some(String::from_utf8_lossy(&tail).into_owned())
        };
        read().unwrap_or_default()
    }
}

/// cmd/go/internal/cache/hash.go `Subkey`, Go 1.21-1.27.
fn subkey(id: &ActionId, name: &str) -> ActionId {
    ActionId(Sha256::new().chain_update(b"subkey:").chain_update(id.0).chain_update(name).finalize().into())
}

/// Resolves imports: to the package of that path that exports the same, and of those to one that was compiled alike.
fn packages(archives: &[(Action, Archive)]) -> Vec<Package> {
    let mut by_name: BTreeMap<(&str, u64), Vec<u32>> = BTreeMap::new();
    for ((_, archive), n) in archives.iter().zip(0..) {
        by_name.entry((&archive.path, archive.fingerprint)).or_default().push(n);
    }
    let resolve = |of: &Archive, (path, fingerprint): &(String, u64)| {
        let forms = by_name.get(&(path.as_str(), *fingerprint))?;
        let alike = |n: &&u32| is_alike(of, &archives[**n as usize].1);
        forms.iter().take(MOST_FORMS).find(alike).or(forms.first()).copied()
    };
    let package = |(action, archive): &(Action, Archive)| {
        let imports: Vec<_> = archive.imports.iter().filter_map(|import| resolve(archive, import)).collect();
        // Of `unsafe` there is no archive.
        let known = imports.len() + archive.imports.iter().filter(|(path, _)| path == "unsafe").count();
        let own: Vec<_> = own_files(archive).collect();
        Package {
            action: action.clone(),
            path: full_path(archive, &own),
            go: archive.go.clone(),
            content: archive.content.clone(),
            flags: archive.flags.clone(),
            directory: directory(&own).filter(|dir| dir.starts_with('/')).unwrap_or_default().to_owned(),
            files: names_hash(&own),
            is_std: archive.is_std,
            is_test: own.iter().any(|file| file.ends_with("_test.go") || file.ends_with("_testmain.go")),
            is_cgo: archive.files.iter().any(|file| file.ends_with("_cgo_gotypes.go")),
            unknown_imports: u32::try_from(archive.imports.len() - known.min(archive.imports.len())).unwrap_or(0),
            imports,
        }
    };
    archives.iter().map(package).collect()
}

/// Whether both were compiled with or without `-trimpath`, with the same flags.
fn is_alike(one: &Archive, other: &Archive) -> bool {
    let is_trimmed = |archive: &Archive| !archive.files.iter().any(|file| file.starts_with('/'));
    one.flags == other.flags && (is_trimmed(one) == is_trimmed(other) || one.is_std || other.is_std)
}

/// Files that look like the package's own: in a directory that is named like it. Of a program, those of the first directory.
fn own_files(archive: &Archive) -> impl Iterator<Item = &str> {
    let files = || archive.files.iter().map(String::as_str).filter(|file| !file.starts_with('<'));
    let is_main = archive.path == "main";
    let path = archive.path.strip_suffix("_test").unwrap_or(&archive.path);
    let named = |dir: &str| match dir.strip_prefix("$GOROOT/src/") {
        Some(dir) => dir == path,
        None => dir.ends_with(path) || last(&without_version(dir)) == last(&without_version(path)),
    };
    let mut dirs = files().filter(|file| !is_main || !file.starts_with("$GOROOT")).filter_map(parent);
    let dir = if is_main { dirs.next() } else { dirs.find(|dir| named(dir)) };
    files().filter(move |file| (dir.is_some() && parent(file) == dir) || file.ends_with("_testmain.go"))
}

fn parent(file: &str) -> Option<&str> {
    file.rsplit_once('/').map(|(dir, _)| dir)
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `example.org/m@v1.2.3/v2` without its version and without what names a major version.
fn without_version(path: &str) -> String {
    let parts = path.split('/').map(|part| part.split('@').next().unwrap_or(part));
    let is_major = |part: &&str| part.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
    parts.filter(|part| !is_major(part)).collect::<Vec<_>>().join("/")
}

fn directory<'a>(own: &[&'a str]) -> Option<&'a str> {
    own.iter().find_map(|file| parent(file)).filter(|dir| !dir.is_empty())
}

/// A program is called by what it is made of: all of them have the path `main`.
fn full_path(archive: &Archive, own: &[&str]) -> String {
    if archive.path != "main" {
        return archive.path.clone();
    }
    if archive.files.iter().any(|file| file.ends_with("_testmain.go")) {
        let ours = archive.imports.iter().map(|(path, _)| path.as_str());
        let tested = ours.filter(|path| !matches!(*path, "os" | "reflect" | "testing" | "testing/internal/testdeps"));
        let tested = tested.map(|path| path.strip_suffix("_test").unwrap_or(path)).min().unwrap_or("?");
        return format!("{tested}.test");
    }
    directory(own).map_or_else(|| "main".to_owned(), |dir| format!("main ({})", last(dir)))
}

fn names_hash(own: &[&str]) -> u64 {
    let mut names: Vec<_> = own.iter().map(|file| last(file)).collect();
    names.sort_unstable();
    names.dedup();
    let hash = Sha256::digest(names.join("/"));
    let mut first = [0; 8];
    first[2..].copy_from_slice(&hash[..6]); // exact in JSON numbers
    u64::from_be_bytes(first)
}
