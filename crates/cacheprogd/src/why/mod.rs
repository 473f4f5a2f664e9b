//! `cacheprogd why`: asks the daemon for two accounts and says what was missed and why.
//!
//! cause.rs compares (pure), group.rs takes misses together (pure), settings.rs knows what of a go command is in Go's keys (pure), text.rs is for people.

mod cause;
mod group;
mod settings;
#[cfg(test)]
mod tests;
mod text;

use proto::control::{BuildStatus, Builds};
use serde::Serialize;

use crate::account::Account;
use crate::client::{self, Sockets};
use crate::error::CommandError;
use crate::{names, screen};

pub(crate) use cause::{Missed, explain};
pub(crate) use group::Group;

/// Earlier builds whose accounts are tried.
const TRIED: usize = 5;

/// Which build, and what of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// The build: its id as `cacheprogd builds` shows it, or a derivation's name (its latest build), with or without the version.
    build: String,
    /// An import path: say all of it, and of what it imports.
    package: Option<String>,
    /// Compare with this build, and not with the nearest earlier one of the name.
    #[arg(long, value_name = "BUILD")]
    with: Option<String>,
    /// All that was missed, not only what cost most.
    #[arg(long)]
    all: bool,
    /// The answer as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sockets: Sockets,
}

/// The whole answer.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) build: BuildStatus,
    /// The build that it is compared with.
    pub(crate) earlier: Option<BuildStatus>,
    /// Misses by cause, those first that cost most.
    pub(crate) causes: Vec<Group>,
    pub(crate) missed: Vec<Missed>,
    /// Actions that the account does not list.
    pub(crate) left_out: u64,
}

/// Asks, compares and prints.
///
/// # Errors
/// Where no daemon answers, or knows no such build or package.
pub(crate) fn run(args: &Why) -> Result<(), CommandError> {
    let builds = client::builds(&args.sockets)?;
    let build = names::find(&builds, &args.build)?;
    let account = client::account(&args.sockets, &build.short)?;
    let earlier = match &args.with {
        Some(name) => Some(client::account(&args.sockets, &names::find(&builds, name)?.short)?),
        None => nearest(&args.sockets, build, &builds),
    };
    let mut missed = explain(&account, earlier.as_ref());
    if let Some(package) = &args.package {
        missed = of_package(&account, missed, package)?;
    }
    let answer = Answer {
        build: account.build.clone(),
        causes: group::groups(&missed),
        missed,
        left_out: account.left_out,
        earlier: earlier.map(|earlier| earlier.build),
    };
    if args.json {
        return client::print_json(&answer);
    }
    let most = if args.all || args.package.is_some() { usize::MAX } else { text::MOST };
    client::print(&text::answer(&answer, most, screen::look()))
}

/// The nearest earlier build whose account is kept. One that the daemon has removed meanwhile is passed over.
fn nearest(sockets: &Sockets, build: &BuildStatus, builds: &Builds) -> Option<Account> {
    let all: Vec<_> = builds.live.iter().chain(&builds.ended).cloned().collect();
    earlier(build, &all).into_iter().find_map(|build| client::account(sockets, &build.short).ok())
}

/// What was missed of a package, in all its forms.
fn of_package(account: &Account, missed: Vec<Missed>, wanted: &str) -> Result<Vec<Missed>, CommandError> {
    let is_it = |path: &str| path == wanted || path.strip_suffix(".test") == Some(wanted);
    let of_it: Vec<_> = missed.into_iter().filter(|one| is_it(&one.path)).collect();
    let was_asked_for = account.packages.iter().any(|package| is_it(&package.path));
    if of_it.is_empty() && !was_asked_for {
        let nearest = names::nearest(wanted, account.packages.iter().map(|package| package.path.as_str()));
        return Err(CommandError::NoPackage { wanted: wanted.to_owned(), nearest });
    }
    Ok(of_it)
}

/// Earlier builds to compare with, the nearest first: of the same name, then of the same name but for the version.
pub(crate) fn earlier<'a>(build: &BuildStatus, all: &'a [BuildStatus]) -> Vec<&'a BuildStatus> {
    let name = names::without_version(&build.name);
    let comes_before = |other: &&BuildStatus| other.short != build.short && other.started <= build.started;
    let is_alike = |other: &&BuildStatus| names::without_version(&other.name) == name;
    let mut earlier: Vec<_> = all.iter().filter(comes_before).filter(is_alike).filter(|o| o.counts.gets > 0).collect();
    earlier.sort_by_key(|other| std::cmp::Reverse((other.name == build.name, other.started, other.ended)));
    earlier.truncate(TRIED);
    earlier
}

/// What most of the misses are for, in few words.
pub(crate) fn headline(account: &Account, earlier: Option<&Account>) -> String {
    let missed = explain(account, earlier);
    let counts = |one: &&Missed| group::may_be_helped(one.verdict.cause);
    let missed: Vec<_> = missed.iter().filter(counts).cloned().collect();
    let groups = group::groups(&missed);
    groups.first().map_or(String::new(), |group| text::headline(group, missed.len() as u64))
}
