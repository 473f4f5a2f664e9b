//! Compares the profile of a build with that of an earlier one and finds the cause of each miss. Pure.
//!
//! What Go's keys are made of (cmd/go/internal/work/exec.go `buildActionID`, Go 1.21-1.27): toolchain, platform, flags, the
//! directory unless -trimpath, the content of the package's files, and the content ids of what it imports. Archives tell
//! toolchain, platform, some flags, directory, file names, imports and content ids; a difference there is certain. Where all of these are
//! the same, a file's content or a flag that no archive names must differ: which one is inferred from the go commands' arguments.

use std::collections::{HashMap, HashSet};

use proto::profile::{Action, BuildProfile, GetOutcome, Other, OutputKind, Package};

use crate::cause::{Cause, Missed, Verdict, verdict};
use crate::condition::by_condition;
use crate::go_command::{self, Subject};
use crate::known_action;

/// How many old packages of one path are compared: a build has about four forms of each.
const MOST_FORMS: usize = 16;

/// Both profiles, with indexes into them.
struct Comparison<'a> {
    new: &'a BuildProfile,
    old: &'a BuildProfile,
    by_key: HashMap<&'a str, &'a Action>,
    by_path: HashMap<&'a str, Vec<&'a Package>>,
    contents: HashSet<(&'a str, &'a str)>,
    /// For each new package: the depth of its deepest changed dependency, and which it is.
    roots: Vec<(u32, u32)>,
}

/// The misses of `new` with their causes; `old` is an earlier build. Of what was offered under a condition that did not hold, and of
/// what is for another user alone, the profile itself has the cause.
#[must_use]
pub fn explain(new: &BuildProfile, old: Option<&BuildProfile>) -> Vec<Missed> {
    let comparison = old.map(|old| Comparison::new(new, old));
    let first = || verdict(Cause::FirstBuild, true, "no profile of an earlier build of this name");
    let mut all = Vec::new();
    for (n, package) in (0..).zip(&new.packages).filter(|(_, package)| package.action.get.is_miss()) {
        let compared = || comparison.as_ref().map_or_else(first, |both| both.missed(n));
        let verdict = by_profile(new, &package.action).unwrap_or_else(compared);
        let what = if package.is_test { "test package" } else { "package" };
        all.push(missed(&package.action, &package.path, what, verdict));
    }
    for other in new.others.iter().filter(|other| other.action.get.is_miss()) {
        let verdict = match other.kind {
            OutputKind::Mtime => verdict(Cause::MtimeKeyed, true, "Go keys it by mtime: each build has its own"),
            OutputKind::Link => verdict(Cause::Link, true, "Go links again with any cache program"),
            OutputKind::NeverPut => verdict(Cause::NeverPut, true, "this build did not put it either"),
            _ => by_profile(new, &other.action)
                .unwrap_or_else(|| comparison.as_ref().map_or_else(first, |both| both.other(other))),
        };
        all.push(missed(&other.action, &other.path, name(other.kind), verdict));
    }
    all
}

/// What the profile of the build alone proves.
fn by_profile(profile: &BuildProfile, action: &Action) -> Option<Verdict> {
    let not_shared = || action.not_shared.then(known_action::not_shared);
    by_condition(profile, action).or_else(|| known_action::by_get(action.get)).or_else(not_shared)
}

fn missed(action: &Action, path: &str, what: &'static str, verdict: Verdict) -> Missed {
    Missed { path: path.to_owned(), what, at_ms: action.at_ms, cost_ms: action.cost_ms, verdict }
}

fn name(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Mtime | OutputKind::GoIndex => "index",
        OutputKind::TestLog => "test inputs",
        OutputKind::TestResult => "test result",
        OutputKind::Link => "program",
        OutputKind::NeverPut => "never put",
        OutputKind::Rest => "vet, cgo and others",
    }
}

impl<'a> Comparison<'a> {
    fn new(new: &'a BuildProfile, old: &'a BuildProfile) -> Self {
        let actions = old.packages.iter().map(|package| &package.action);
        let actions = actions.chain(old.others.iter().map(|other| &other.action));
        let mut by_path: HashMap<&str, Vec<&Package>> = HashMap::new();
        for package in &old.packages {
            by_path.entry(&package.path).or_default().push(package);
        }
        let mut comparison = Self {
            new,
            old,
            by_key: actions.map(|action| (action.key.as_str(), action)).collect(),
            by_path,
            contents: old.packages.iter().map(|p| (p.path.as_str(), p.content.as_str())).collect(),
            roots: Vec::new(),
        };
        comparison.roots = comparison.find_roots();
        comparison
    }

    fn package(&self, n: u32) -> &'a Package {
        &self.new.packages[n as usize]
    }

    /// Whether the old build had packages of this path, all with other content.
    fn is_changed(&self, n: u32) -> bool {
        let package = self.package(n);
        self.by_path.contains_key(package.path.as_str())
            && !self.contents.contains(&(package.path.as_str(), package.content.as_str()))
    }

    fn changed_imports(&self, n: u32) -> impl Iterator<Item = u32> {
        let known = self.new.packages.len();
        let imports = self.package(n).imports.iter().copied().filter(move |&import| (import as usize) < known);
        imports.filter(|&import| self.is_changed(import))
    }

    /// For each package the changed one that is deepest below it; itself if there is none. Without recursion, as the build chooses
    /// how deep packages import each other. An import cycle, which no Go package has, ends the walk.
    fn find_roots(&self) -> Vec<(u32, u32)> {
        let count = u32::try_from(self.new.packages.len()).unwrap_or(u32::MAX);
        let mut roots: Vec<Option<(u32, u32)>> = vec![None; self.new.packages.len()];
        let mut entered = vec![false; self.new.packages.len()];
        for first in 0..count {
            let mut stack = vec![first];
            while let Some(&n) = stack.last() {
                let waiting: Vec<_> = if std::mem::replace(&mut entered[n as usize], true) {
                    Vec::new()
                } else {
                    self.changed_imports(n).filter(|&import| !entered[import as usize]).collect()
                };
                if !waiting.is_empty() {
                    stack.extend(waiting);
                    continue;
                }
                stack.pop();
                if roots[n as usize].is_none() {
                    let below = self.changed_imports(n).filter_map(|import| roots[import as usize]);
                    let deepest = below.max_by_key(|&(depth, root)| (depth, std::cmp::Reverse(root)));
                    roots[n as usize] = Some(deepest.map_or((0, n), |(depth, root)| (depth + 1, root)));
                }
            }
        }
        (0..).zip(roots).map(|(n, root)| root.unwrap_or((0, n))).collect()
    }

    fn missed(&self, n: u32) -> Verdict {
        let package = self.package(n);
        if let Some(old) = self.by_key.get(package.action.key.as_str()) {
            return self.gone(&package.action, old);
        }
        let Some(old) = self.counterpart(package) else {
            return verdict(Cause::NeverSeen, true, "the earlier build had no such package");
        };
        self.differs(n, old)
    }

    /// The earlier build had this action.
    fn gone(&self, new: &Action, old: &Action) -> Verdict {
        known_action::missed((self.new, new), (self.old, old))
    }

    /// The most similar old package.
    fn counterpart(&self, package: &Package) -> Option<&'a Package> {
        let imports: HashSet<_> = self.imports(self.new, package).collect();
        let likeness = |old: &&&Package| {
            let same = [
                package.go == old.go,
                package.directory.is_empty() == old.directory.is_empty(),
                package.flags == old.flags,
                package.is_test == old.is_test,
                package.files == old.files,
            ];
            let alike = same.map(usize::from).iter().fold(0, |sum, same| sum * 2 + same);
            (alike, self.imports(self.old, old).filter(|import| imports.contains(import)).count())
        };
        self.by_path.get(package.path.as_str())?.iter().take(MOST_FORMS).max_by_key(likeness).copied()
    }

    fn imports<'b>(&self, profile: &'b BuildProfile, package: &'b Package) -> impl Iterator<Item = (&'b str, &'b str)> {
        let imports = package.imports.iter().filter_map(|&n| profile.packages.get(n as usize));
        imports.map(|package| (package.path.as_str(), package.content.as_str()))
    }

    /// What differs between a package and its counterpart.
    fn differs(&self, n: u32, old: &'a Package) -> Verdict {
        let new = self.package(n);
        if new.go != old.go {
            return toolchain_or_platform(&old.go, &new.go);
        }
        match (old.directory.as_str(), new.directory.as_str()) {
            (then, now) if then == now => {}
            ("", now) => return verdict(Cause::OtherFlags, true, format!("without -trimpath now, in {now}")),
            (_, "") => return verdict(Cause::OtherFlags, true, "with -trimpath now"),
            (then, now) => return verdict(Cause::OtherDirectory, true, format!("in {then}, now in {now}")),
        }
        if new.flags != old.flags {
            let (then, now) = (go_command::or_none(&old.flags), go_command::or_none(&new.flags));
            return verdict(Cause::OtherFlags, true, format!("compiler flags: {then}, now {now}"));
        }
        if self.changed_imports(n).next().is_some() {
            return self.by_dependency(n);
        }
        let paths = |profile: &'a BuildProfile, of: &'a Package| -> HashSet<&'a str> {
            self.imports(profile, of).map(|(path, _)| path).collect()
        };
        let (then, now) = (paths(self.old, old), paths(self.new, new));
        if let Some(added) = now.difference(&then).min() {
            return verdict(Cause::NewSource, true, format!("it now imports {added}"));
        }
        if new.unknown_imports == 0 && then.len() > now.len() && old.unknown_imports == 0 {
            return verdict(Cause::NewSource, true, "it now imports fewer packages");
        }
        if new.files != old.files {
            return verdict(Cause::NewSource, true, "its code comes from other files");
        }
        self.remains(new, old)
    }

    fn by_dependency(&self, n: u32) -> Verdict {
        let (_, root) = self.roots[n as usize];
        let path = self.package(root).path.clone();
        let why = match self.counterpart(self.package(root)) {
            Some(old) if root != n => {
                let by_profile = by_profile(self.new, &self.package(root).action);
                by_profile.unwrap_or_else(|| self.differs_itself(root, old))
            }
            _ => verdict(Cause::NewSource, false, ""),
        };
        let detail = format!("{path} changed");
        Verdict { root: Some((path, Box::new(why))), ..verdict(Cause::ChangedDependency, true, detail) }
    }

    /// As [`Comparison::differs`] for a package without changed imports.
    fn differs_itself(&self, n: u32, old: &'a Package) -> Verdict {
        if self.changed_imports(n).next().is_some() {
            return verdict(Cause::NewSource, false, "it is part of an import cycle");
        }
        self.differs(n, old)
    }

    /// The archives do not differ: what is left is inferred.
    fn remains(&self, new: &Package, old: &Package) -> Verdict {
        let session = |profile: &'a BuildProfile, action: &Action| profile.sessions.get(usize::from(action.session));
        let (then, now) = (session(self.old, &old.action), session(self.new, &new.action));
        let commands = then.and_then(|s| s.command.as_ref()).zip(now.and_then(|s| s.command.as_ref()));
        let subject = Subject { is_cgo: new.is_cgo, is_program: new.path.starts_with("main (") };
        let other = commands.and_then(|(then, now)| go_command::difference(then, now, subject));
        match other {
            Some(difference) => verdict(Cause::OtherFlags, false, difference),
            None if new.is_std && then.map(|s| &s.toolchain.goroot) != now.map(|s| &s.toolchain.goroot) => {
                verdict(Cause::OtherToolchain, false, "a package of the standard library, and GOROOT is another")
            }
            None if new.is_std => {
                verdict(Cause::OtherFlags, false, "a package of the standard library, whose source is the same")
            }
            None => verdict(Cause::NewSource, false, "nothing else differs"),
        }
    }

    /// The key of a toolchain index is that of a directory of the toolchain.
    fn index_of_go(&self, session: u16) -> Verdict {
        let goroot = self.new.sessions.get(usize::from(session)).map(|session| &session.toolchain.goroot);
        if self.old.sessions.iter().any(|session| Some(&session.toolchain.goroot) == goroot) {
            verdict(
                Cause::NeverSeen,
                true,
                "the index of a standard library package that the earlier build did not read",
            )
        } else {
            verdict(Cause::OtherToolchain, true, "the index of a standard library package, and GOROOT is another")
        }
    }

    fn knew_all_logs(&self, session: u16) -> bool {
        let of_it = self.new.others.iter().filter(|o| o.kind == OutputKind::TestLog && o.action.session == session);
        of_it.clone().count() > 0 && of_it.clone().all(|log| log.action.get == GetOutcome::Hit)
    }

    fn other(&self, other: &Other) -> Verdict {
        if other.action.get == GetOutcome::Rejected {
            return verdict(Cause::TestInputs, true, "something that the test read changed");
        }
        if let Some(old) = self.by_key.get(other.action.key.as_str()) {
            let gone = self.gone(&other.action, old);
            let is_private_result = gone.cause == Cause::Private && other.kind == OutputKind::TestResult;
            let detail = "it was private to the earlier build: results are so by setting, where a test changes what it \
                          depends on, and where that is too much to look at";
            return if is_private_result { Verdict { detail: detail.to_owned(), ..gone } } else { gone };
        }
        let program = format!("{}.test", other.path);
        let compiled = self.new.packages.iter().position(|p| p.path == program && p.action.get.is_miss());
        match (compiled.and_then(|n| u32::try_from(n).ok()), other.kind) {
            (Some(n), OutputKind::TestResult) => {
                let program = self.missed(n);
                Verdict { certain: false, detail: format!("its test program changed: {}", program.detail), ..program }
            }
            // A log is keyed by the test's program and arguments: where all logs hit, program and arguments did not change.
            (None, OutputKind::TestResult) if self.knew_all_logs(other.action.session) => {
                verdict(Cause::TestInputs, true, "something that the test read changed")
            }
            (_, OutputKind::GoIndex) => self.index_of_go(other.action.session),
            (None, OutputKind::TestResult) => {
                verdict(Cause::TestInputs, false, "its program, arguments or input files changed")
            }
            _ => verdict(Cause::Other, false, "it follows from packages that were compiled again"),
        }
    }
}

/// `linux amd64 go1.26.8 GOAMD64=v1 X:…`
fn toolchain_or_platform(then: &str, now: &str) -> Verdict {
    let release = |line: &str| line.split(' ').nth(2).unwrap_or_default().to_owned();
    let (before, after) = (release(then), release(now));
    if before != after {
        return verdict(Cause::OtherToolchain, true, format!("{before}, now {after}"));
    }
    verdict(Cause::OtherFlags, true, format!("{then}, now {now}"))
}
