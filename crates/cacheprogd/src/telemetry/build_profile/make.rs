//! Makes a build profile of a trace and of the outputs that the build was given: which package each action compiled, and what it
//! imports.
//!
//! What an archive contains, the store reads (store: format/archive.rs).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use proto::control::BuildStatus;
use proto::id::hex;
use proto::parts::Parts;
use proto::profile::{Action, BuildProfile, GetOutcome, Other, OutputKind, Package, PutOutcome, Session};
use proto::{ActionId, OutputId, ScopeDigest};
use sha2::{Digest, Sha256};
use store::archive::Archive;
use store::{INDEX, Kind, TEST_LOG, TEST_PASSED};

use super::other_users::OtherUsers;
use super::rejections::{Conditions, OwnConditions, Rejections};
use crate::limits::{PROFILE_ENTRIES, PROFILE_MEMORY, PROFILE_TAIL, PROFILE_VARIANTS};
use crate::telemetry::trace::event::{self, Event, Events};

/// The events of one action.
#[derive(Debug, Default)]
struct ActionEvents {
    get: Option<event::Get>,
    put: Option<event::Put>,
    share: Option<event::Share>,
    /// What was offered, as numbers of conditions.
    offered: Option<Vec<u16>>,
    /// Indexes into the profile's conditions and rejections.
    condition: Option<u16>,
    rejection: Option<u16>,
}

impl ActionEvents {
    fn output(&self) -> Option<OutputId> {
        let offered = self.get.and_then(|get| match get.outcome {
            event::GetOutcome::Miss | event::GetOutcome::Withheld | event::GetOutcome::Quarantined => None,
            event::GetOutcome::Hit(output) | event::GetOutcome::HitIf(output) | event::GetOutcome::Rejected(output) => {
                Some(output)
            }
        });
        self.put.map(|put| put.output).or(offered)
    }

    fn action(&self, id: &ActionId) -> Action {
        let get = self.get.map_or(GetOutcome::Unasked, |get| match get.outcome {
            event::GetOutcome::Miss => GetOutcome::Miss,
            event::GetOutcome::Hit(_) => GetOutcome::Hit,
            event::GetOutcome::HitIf(_) => GetOutcome::HitIf,
            event::GetOutcome::Rejected(_) => GetOutcome::Rejected,
            event::GetOutcome::Withheld => GetOutcome::Withheld,
            event::GetOutcome::Quarantined => GetOutcome::Quarantined,
        });
        let first = self.get.map(|get| (get.session, get.at_ms));
        let (session, at_ms) = first.or(self.put.map(|put| (put.session, put.at_ms))).unwrap_or_default();
        Action {
            key: hex(&id.0[..8]),
            session,
            get,
            at_ms,
            cost_ms: self.put.map_or(0, |put| put.cost_ms),
            put: self.put_outcome(),
            condition: self.condition,
            rejection: self.rejection.filter(|_| get == GetOutcome::Rejected),
            not_shared: false,
        }
    }

    /// A private put that was shared afterwards has the outcome of that.
    fn put_outcome(&self) -> Option<PutOutcome> {
        let put = self.put?.outcome;
        Some(self.share.filter(|_| put == PutOutcome::Private).map_or(put, |share| share.outcome))
    }
}

/// The events of a trace, by action.
#[derive(Debug, Default)]
struct Trace {
    sessions: Vec<Session>,
    conditions: Conditions,
    actions: HashMap<ActionId, ActionEvents>,
}

impl Trace {
    fn read(trace: impl BufRead) -> Self {
        let mut all = Self::default();
        for event in Events::new(trace) {
            match event {
                Event::Session(session) => all.sessions.push(session),
                Event::Get(get) => drop(all.of(&get.action).get.get_or_insert(get)),
                Event::Put(put) => drop(all.of(&put.action).put.get_or_insert(put)),
                Event::Condition(condition) => all.conditions.push(condition),
                Event::Has(number) => all.conditions.has(number),
                Event::Share(share) => drop(all.of(&share.action).share.get_or_insert(share)),
                Event::Rejected(action, offered) => drop(all.of(&action).offered.get_or_insert(offered)),
            }
        }
        all
    }

    fn of(&mut self, action: &ActionId) -> &mut ActionEvents {
        self.actions.entry(*action).or_default()
    }

    /// Finds the conditions under which the build shared, and what differs in those that did not hold for it.
    fn resolve_conditions(&mut self, profile: &mut BuildProfile, parts: &dyn Fn(&ScopeDigest) -> Option<Parts>) {
        let (mut own, mut rejections) = (OwnConditions::default(), Rejections::new(&self.conditions, parts));
        let mut in_order: Vec<_> = self.actions.iter_mut().collect();
        in_order.sort_by_key(|(id, _)| **id);
        for (_, events) in in_order {
            let number = events.share.and_then(|share| share.condition);
            events.condition = number.and_then(|number| own.index(number, &self.conditions));
            events.rejection = events.offered.take().and_then(|offered| rejections.index(offered));
        }
        (profile.conditions, profile.rejections) = (own.list, rejections.list);
    }
}

/// The profile of a build with this trace; `open` opens outputs that the build was given, `parts` finds the parts of a
/// condition, `other_users` what is not shared with this one.
pub(super) fn make(
    build: BuildStatus,
    trace: impl BufRead,
    open: &dyn Fn(&OutputId) -> Option<File>,
    parts: &dyn Fn(&ScopeDigest) -> Option<Parts>,
    other_users: &mut OtherUsers<'_>,
) -> BuildProfile {
    let mut profile = BuildProfile { build, ..BuildProfile::default() };
    let mut trace = Trace::read(trace);
    trace.resolve_conditions(&mut profile, parts);
    let Trace { sessions, actions, conditions } = trace;
    profile.sessions = sessions;
    let mut in_order: Vec<_> = actions.iter().collect();
    in_order.sort_by_cached_key(|(id, events)| (events.action(id).at_ms, **id));
    let mut reader = OutputReader { open, archives: Vec::new(), memory: 0, subkeys: HashSet::new() };
    let mut rest = Vec::new();
    for (id, events) in in_order {
        match events.output().and_then(|output| reader.archive(&output)) {
            Some(archive) if reader.has_room() => {
                let mut action = events.action(id);
                let session = profile.sessions.get(usize::from(action.session));
                action.not_shared =
                    action.get == GetOutcome::Miss && other_users.have(id, session, action.at_ms, &conditions);
                reader.add(id, action, archive);
            }
            Some(_) => profile.left_out += 1,
            None => rest.push((id, events)),
        }
    }
    for (id, events) in rest.iter().filter(|(_, events)| events.put.is_none()) {
        let link = id.subkey("link-stdout");
        if events.get.is_some_and(|get| get.outcome == event::GetOutcome::Miss) {
            reader.subkeys.insert(link);
        }
    }
    for (id, events) in rest.into_iter().filter(|(id, _)| !reader.subkeys.contains(*id)) {
        if profile.others.len() < PROFILE_ENTRIES {
            profile.others.push(reader.other(id, events));
        } else {
            profile.left_out += 1;
        }
    }
    profile.packages = packages(&reader.archives);
    profile
}

/// Reads outputs of the build, and keeps what it read of packages.
struct OutputReader<'a> {
    open: &'a dyn Fn(&OutputId) -> Option<File>,
    archives: Vec<(Action, Archive)>,
    /// The memory that these take.
    memory: usize,
    /// Actions that belong to a package's action: what the compiler printed, and the list of source files.
    subkeys: HashSet<ActionId>,
}

impl OutputReader<'_> {
    fn has_room(&self) -> bool {
        self.archives.len() < PROFILE_ENTRIES && self.memory < PROFILE_MEMORY
    }

    fn archive(&self, output: &OutputId) -> Option<Archive> {
        if *output == OutputId::EMPTY {
            return None; // a quarter of all
        }
        let file = (self.open)(output)?;
        Archive::read(&|bytes: &mut [u8], at| file.read_exact_at(bytes, at))
    }

    fn add(&mut self, id: &ActionId, action: Action, archive: Archive) {
        self.subkeys.extend(["stdout", "srcfiles"].map(|name| id.subkey(name)));
        self.memory += archive.weight();
        self.archives.push((action, archive));
    }

    fn other(&self, id: &ActionId, events: &ActionEvents) -> Other {
        let put_kind = events.put.map(|put| put.kind);
        let mut path = String::new();
        let kind = match events.output() {
            None if self.subkeys.contains(&id.subkey("link-stdout")) => OutputKind::Link,
            None => OutputKind::NeverPut,
            Some(_) if put_kind == Some(Kind::Mtime) => OutputKind::Mtime,
            Some(_) if put_kind == Some(Kind::StoreIndex) => OutputKind::GoIndex,
            Some(output) => {
                let tail = self.tail(&output);
                if let Some(tested) = tail.lines().last().and_then(|line| line.strip_prefix(TEST_PASSED)) {
                    path = tested.split('\t').next().unwrap_or_default().chars().take(128).collect();
                    OutputKind::TestResult
                } else {
                    match self.head(&output) {
                        head if head.starts_with(TEST_LOG) => OutputKind::TestLog,
                        head if head.starts_with(INDEX) => OutputKind::Mtime,
                        _ => OutputKind::Rest,
                    }
                }
            }
        };
        Other { action: events.action(id), kind, path }
    }

    fn head(&self, output: &OutputId) -> String {
        let mut head = Vec::new();
        let read = (self.open)(output).and_then(|file| file.take(32).read_to_end(&mut head).ok());
        read.map_or(String::new(), |_| String::from_utf8_lossy(&head).into_owned())
    }

    fn tail(&self, output: &OutputId) -> String {
        let read = || {
            let mut file = (self.open)(output)?;
            let size = file.metadata().ok()?.len();
            file.seek(SeekFrom::Start(size.saturating_sub(PROFILE_TAIL))).ok()?;
            let mut tail = Vec::new();
            file.take(PROFILE_TAIL).read_to_end(&mut tail).ok()?;
            Some(String::from_utf8_lossy(&tail).into_owned())
        };
        read().unwrap_or_default()
    }
}

/// Resolves each import to the package of that path that exports the same, and among several of those to one that was compiled with
/// the same flags.
fn packages(archives: &[(Action, Archive)]) -> Vec<Package> {
    let mut by_name: BTreeMap<(&str, u64), Vec<u32>> = BTreeMap::new();
    for ((_, archive), n) in archives.iter().zip(0..) {
        by_name.entry((&archive.path, archive.fingerprint)).or_default().push(n);
    }
    let resolve = |of: &Archive, (path, fingerprint): &(String, u64)| {
        let variants = by_name.get(&(path.as_str(), *fingerprint))?;
        let has_same_flags = |n: &&u32| has_same_flags(of, &archives[**n as usize].1);
        variants.iter().take(PROFILE_VARIANTS).find(has_same_flags).or(variants.first()).copied()
    };
    let package = |(action, archive): &(Action, Archive)| {
        let imports: Vec<_> = archive.imports.iter().filter_map(|import| resolve(archive, import)).collect();
        // `unsafe` has no archive.
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

/// Whether both were compiled with the same flags, and both with or both without `-trimpath`.
fn has_same_flags(one: &Archive, other: &Archive) -> bool {
    let is_trimmed = |archive: &Archive| !archive.files.iter().any(|file| file.starts_with('/'));
    one.flags == other.flags && (is_trimmed(one) == is_trimmed(other) || one.is_std || other.is_std)
}

/// Files that look like the package's own: in a directory that has its name. For a program, those of the first directory.
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

/// `example.org/m@v1.2.3/v2` without its version and without the element of the major version.
fn without_version(path: &str) -> String {
    let parts = path.split('/').map(|part| part.split('@').next().unwrap_or(part));
    let is_major = |part: &&str| part.strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
    parts.filter(|part| !is_major(part)).collect::<Vec<_>>().join("/")
}

fn directory<'a>(own: &[&'a str]) -> Option<&'a str> {
    own.iter().find_map(|file| parent(file)).filter(|dir| !dir.is_empty())
}

/// A program gets its directory or the tested package as its name: all programs have the path `main`.
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
