//! `cacheprogctl why`: asks the daemon for two profiles, compares them (crate `miss_causes`), and says what was missed and why.
//!
//! answer.rs is the answer, as JSON has it; text.rs is the same for people.

mod answer;
mod text;

use miss_causes::{Missed, earlier_builds, explain, groups};
use proto::control::{BuildStatus, Builds};
use proto::profile::BuildProfile;

use self::answer::Answer;
use super::build_selector::{find, nearest_names};
use super::connection::{self, Sockets};
use crate::error::CommandError;
use crate::terminal::{print, print_json, stdout_style};

/// Which build, and what of it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The build: its id as `cacheprogctl builds` shows it, or a derivation's name (its latest build), with or without the version.
    #[arg(required_unless_present = "store", conflicts_with = "store")]
    build: Option<String>,
    /// An import path: show only the misses of this package, all of them.
    package: Option<String>,
    /// Compare with this build instead of the nearest earlier one of the name.
    #[arg(long, value_name = "BUILD", conflicts_with = "store")]
    with: Option<String>,
    /// Show all misses, not only the most expensive ones. A store of cacheprog-client (--store) has sums of all and no list.
    #[arg(long, conflicts_with = "store")]
    all: bool,
    /// Print the answer as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) own: settings::OwnStore,
    #[command(flatten)]
    sockets: Sockets,
}

/// Asks, compares and prints.
///
/// # Errors
/// Where no daemon answers, or it knows no such build or package.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let builds = connection::builds(&args.sockets)?;
    let build = find(&builds, args.build.as_deref().unwrap_or_default())?;
    let profile = connection::profile(&args.sockets, &build.short)?;
    let earlier = match &args.with {
        Some(name) => Some(connection::profile(&args.sockets, &find(&builds, name)?.short)?),
        None => nearest(&args.sockets, build, &builds),
    };
    let mut missed = explain(&profile, earlier.as_ref());
    if let Some(package) = &args.package {
        missed = of_package(&profile, missed, package)?;
    }
    let answer = Answer {
        build: profile.build.clone(),
        causes: groups(&missed),
        missed,
        left_out: profile.left_out,
        earlier: earlier.map(|earlier| earlier.build),
    };
    if args.json {
        return print_json(&answer);
    }
    let most = if args.all || args.package.is_some() { usize::MAX } else { text::MOST };
    print(&text::text(&answer, most, stdout_style()))
}

/// The nearest earlier build whose profile is kept. A build whose profile the daemon has removed meanwhile is skipped.
fn nearest(sockets: &Sockets, build: &BuildStatus, builds: &Builds) -> Option<BuildProfile> {
    let all: Vec<_> = builds.all().cloned().collect();
    earlier_builds(build, &all).into_iter().find_map(|build| connection::profile(sockets, &build.short).ok())
}

/// The misses of one package, in all its forms.
fn of_package(profile: &BuildProfile, missed: Vec<Missed>, wanted: &str) -> Result<Vec<Missed>, CommandError> {
    let is_wanted = |path: &str| path == wanted || path.strip_suffix(".test") == Some(wanted);
    let of_package: Vec<_> = missed.into_iter().filter(|one| is_wanted(&one.path)).collect();
    let was_requested = profile.packages.iter().any(|package| is_wanted(&package.path));
    if of_package.is_empty() && !was_requested {
        let nearest = nearest_names(wanted, profile.packages.iter().map(|package| package.path.as_str()));
        return Err(CommandError::NoPackage { wanted: wanted.to_owned(), nearest });
    }
    Ok(of_package)
}
