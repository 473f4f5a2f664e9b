//! One build of the last day as the page shows it: its row, what it compiled, and why it missed that.
//!
//! Made of two profiles, its own and that of an earlier build. What ended builds did does not change: it is kept for the next page, and
//! is bounded.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use miss_causes::{Group, Missed, avoidable, cause_text, earlier_builds, explain, groups, main_cause};
use proto::control::BuildStatus;
use proto::figures::{duration, packages};
use proto::profile::BuildProfile;
use serde::Serialize;

use super::causes::by_cause;
use super::forms::form;
use crate::context::Context;
use crate::limits::{PAGE_PACKAGES, PAGE_TEXT, PAGE_TOOLCHAINS};
use crate::telemetry::build_profile::refresh::Requester;

/// A build.
#[derive(Debug, Serialize)]
pub(crate) struct PageBuild {
    #[serde(skip)]
    status: BuildStatus,
    /// Whether the profile has all that the build did.
    #[serde(skip)]
    is_whole: bool,
    /// Whether a later comparison with an earlier build finds the same.
    #[serde(skip)]
    is_compared: bool,
    id: String,
    name: String,
    started: u64,
    wall_ms: u64,
    text: String,
    /// The main cause of its misses.
    why: String,
    compiled: Vec<Compiled>,
    #[serde(skip)]
    causes: Vec<Group>,
    #[serde(skip)]
    toolchains: BTreeSet<String>,
}

/// A package that it compiled.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Compiled {
    pub(crate) path: String,
    /// What tells it from other forms of the package.
    pub(crate) form: String,
    /// When it was missed, in milliseconds since the build's registration, and its compile time.
    at: u32,
    pub(crate) compile_ms: u32,
    pub(crate) text: String,
    pub(crate) cause: &'static str,
}

/// The builds of the last page.
#[derive(Debug, Default)]
pub(crate) struct PageBuilds(Vec<PageBuild>);

impl PageBuilds {
    /// Brings them to these builds; `all` are those among which earlier ones are found.
    pub(crate) fn update(&mut self, context: &Context, shown: &[&BuildStatus], all: &[BuildStatus]) -> &[PageBuild] {
        let mut known = std::mem::take(&mut self.0);
        for status in shown {
            let at = known.iter().position(|build| build.is_final() && build.status == **status);
            let build = at.map(|at| known.swap_remove(at));
            self.0.push(build.unwrap_or_else(|| PageBuild::read(context, status, all)));
        }
        &self.0
    }
}

impl PageBuild {
    fn read(context: &Context, status: &BuildStatus, all: &[BuildStatus]) -> Self {
        let open = |build: &BuildStatus| {
            BuildProfile::read(context.registry.open_profile(&build.short, Requester::Anyone).ok()?)
        };
        let profile = open(status).unwrap_or_default();
        let earlier = earlier_builds(status, all);
        let compared = earlier.iter().find_map(|build| Some((*build, open(build)?)));
        let missed = explain(&profile, compared.as_ref().map(|(_, profile)| profile));
        let is_compared = is_compared(&earlier, compared.map(|(build, _)| build));
        Self::new(status, &profile, (missed, is_compared))
    }

    /// `missed` is what [`explain`] finds of the profile, `is_compared` what [`is_compared`] does.
    fn new(status: &BuildStatus, profile: &BuildProfile, (missed, is_compared): (Vec<Missed>, bool)) -> Self {
        let counts = &status.counts;
        let compiled = compiled(profile, &missed);
        let mut groups = groups(&avoidable(missed));
        let mut causes = by_cause(groups.iter().cloned());
        // Groups of one cause may cost more together than the most expensive group of another one.
        groups.sort_by_key(|group| causes.first().is_some_and(|main| main.cause != group.cause));
        let why = cut(&main_cause(&groups));
        for group in causes.iter_mut().filter(|group| !group.detail.is_empty()) {
            group.detail = cut(&format!("{}: {}", status.name, group.detail));
        }
        let wall_time = duration(Duration::from_millis(status.wall_milliseconds));
        Self {
            is_whole: profile.build.counts == *counts,
            is_compared,
            id: status.short.clone(),
            name: status.name.clone(),
            started: status.started,
            wall_ms: status.wall_milliseconds,
            text: format!("{}, {wall_time}", packages(counts.packages_compiled, counts.packages_needed)),
            why,
            compiled,
            causes,
            toolchains: toolchains(profile),
            status: status.clone(),
        }
    }

    fn is_final(&self) -> bool {
        self.status.ended > 0 && self.is_whole && self.is_compared
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn compiled(&self) -> &[Compiled] {
        &self.compiled
    }

    /// Its misses by cause, without those that no cache could have served.
    pub(crate) fn causes(&self) -> &[Group] {
        &self.causes
    }

    /// The Go releases and platforms that it compiled with or for.
    pub(crate) fn toolchains(&self) -> &BTreeSet<String> {
        &self.toolchains
    }
}

/// Whether a later comparison finds the same: the profile that was read is that of an ended build, or there is no earlier build. One that
/// cannot be read now may be readable soon: it is being written, or too many live ones were asked for.
fn is_compared(earlier: &[&BuildStatus], read: Option<&BuildStatus>) -> bool {
    earlier.is_empty() || read.is_some_and(|build| build.ended > 0)
}

/// The slowest of what a build compiled, in the order in which it did. [`explain`] has the misses of packages first, in their order.
fn compiled(profile: &BuildProfile, missed: &[Missed]) -> Vec<Compiled> {
    let packages = profile.packages.iter().filter(|package| package.action.get.is_miss());
    let mut slowest: Vec<_> = packages.zip(missed).collect();
    slowest.sort_by_key(|(package, _)| Reverse(package.action.cost_ms));
    slowest.truncate(PAGE_PACKAGES);
    slowest.sort_by_key(|(package, _)| package.action.at_ms);
    let drawn = slowest.into_iter().map(|(package, missed)| Compiled {
        path: cut(&package.path),
        form: cut(&form(package, &profile.packages)),
        at: package.action.at_ms,
        compile_ms: package.action.cost_ms,
        text: duration(Duration::from_millis(package.action.cost_ms.into())),
        cause: cause_text(missed.verdict.cause),
    });
    drawn.collect()
}

fn toolchains(profile: &BuildProfile) -> BTreeSet<String> {
    let lines: BTreeSet<_> = profile.packages.iter().map(|package| package.go.as_str()).collect();
    lines.into_iter().take(PAGE_TOOLCHAINS).map(toolchain).collect()
}

/// `linux amd64 go1.26.8 GOAMD64=v1` in the words of `go version`.
fn toolchain(line: &str) -> String {
    let mut words = line.split(' ').map(cut);
    let mut next = || words.next().unwrap_or_default();
    let (system, machine, release) = (next(), next(), next());
    format!("{release} {system}/{machine}")
}

/// The beginning of a text that a build has chosen.
fn cut(text: &str) -> String {
    match text.char_indices().nth(PAGE_TEXT) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use miss_causes::{Cause, Verdict};
    use proto::profile::{Action, GetOutcome, Package};

    fn package(path: &str, get: GetOutcome, (at_ms, cost_ms): (u32, u32)) -> Package {
        let action = Action { key: format!("{path}{at_ms}"), get, at_ms, cost_ms, ..Action::default() };
        Package {
            action,
            path: path.to_owned(),
            go: "linux amd64 go1.26.8 GOAMD64=v1".to_owned(),
            ..Package::default()
        }
    }

    fn shown(packages: Vec<Package>) -> PageBuild {
        let profile = BuildProfile { packages, ..BuildProfile::default() };
        let status = BuildStatus { ended: 1, ..BuildStatus::default() };
        PageBuild::new(&status, &profile, (explain(&profile, None), true))
    }

    #[test]
    fn what_was_compiled_is_shown_with_form_and_cause_and_what_was_served_is_not() {
        let mut tested = package("p", GetOutcome::Miss, (5, 100));
        tested.is_test = true;
        let build = shown(vec![tested, package("q", GetOutcome::Hit, (7, 0)), package("p", GetOutcome::Miss, (2, 50))]);
        let told: Vec<_> =
            build.compiled.iter().map(|one| (one.path.as_str(), one.form.as_str(), one.cause, one.at)).collect();
        assert_eq!(told, [("p", "without its tests", "first build", 2), ("p", "with its tests", "first build", 5)]);
        assert_eq!(build.why, "2 misses: first build (no profile of an earlier build of this name)");
        assert_eq!(build.toolchains.first().map(String::as_str), Some("go1.26.8 linux/amd64"));
    }

    #[test]
    fn what_is_kept_of_a_build_is_bounded() {
        let long = "x".repeat(2000);
        let mut packages: Vec<_> = (0..300).map(|n| package(&long, GetOutcome::Miss, (n, n))).collect();
        packages.iter_mut().for_each(|package| package.go = format!("{long} {} {long}", package.action.at_ms));
        let build = shown(packages);
        assert_eq!((build.compiled.len(), build.toolchains.len()), (PAGE_PACKAGES, PAGE_TOOLCHAINS));
        let slowest = build.compiled.last().map(|one| one.compile_ms);
        assert_eq!(slowest, Some(299));
        assert!(serde_json::to_string(&build).unwrap().len() < PAGE_PACKAGES * 3 * PAGE_TEXT);
    }

    #[test]
    fn only_a_whole_profile_of_an_ended_build_is_kept() {
        let mut status = BuildStatus { ended: 1, ..BuildStatus::default() };
        status.counts.gets = 5;
        let is_final = |status: &BuildStatus, gets| {
            let mut profile = BuildProfile::default();
            profile.build.counts.gets = gets;
            PageBuild::new(status, &profile, (Vec::new(), true)).is_final()
        };
        assert!(is_final(&status, 5) && !is_final(&status, 4));
        status.ended = 0;
        assert!(!is_final(&status, 5));
    }

    #[test]
    fn a_build_is_compared_again_until_an_ended_one_is_read() {
        let [ended, live] = [1, 0].map(|ended| BuildStatus { ended, ..BuildStatus::default() });
        assert!(is_compared(&[], None) && is_compared(&[&live, &ended], Some(&ended)));
        assert!(!is_compared(&[&ended], None) && !is_compared(&[&live], Some(&live)));
        let build = |is_compared| PageBuild::new(&ended, &BuildProfile::default(), (Vec::new(), is_compared));
        assert!(build(true).is_final() && !build(false).is_final());
    }

    #[test]
    fn the_main_cause_is_the_first_of_the_causes() {
        let verdict = |cause, detail: &str, root| Verdict { cause, certain: true, detail: detail.to_owned(), root };
        let missed = |cause, root: &str, cost_ms| {
            let changed = Some((root.to_owned(), Box::new(verdict(Cause::NewSource, "", None))));
            Missed { path: String::new(), what: "", at_ms: 0, cost_ms, verdict: verdict(cause, root, changed) }
        };
        let missed = vec![
            missed(Cause::Evicted, "x", 50),
            missed(Cause::ChangedDependency, "x", 30),
            missed(Cause::ChangedDependency, "y", 40),
        ];
        let build = PageBuild::new(&BuildStatus::default(), &BuildProfile::default(), (missed, true));
        assert_eq!(build.causes().first().map(|group| group.cause), Some(Cause::ChangedDependency));
        assert_eq!(build.why, "1 of 3 misses: changed dependency (y: new source)");
    }
}
