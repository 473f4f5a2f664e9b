//! What one go command asked of the embedded store and got, counted while it is served and noted in the store at its end
//! (store: `go_commands.rs`). It decides nothing, and a store that cannot be written notes nothing.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant, UNIX_EPOCH};

use proto::ActionId;
use store::{BoundedMap, GoCommand, GoCommands, GoFigures, Kind};

use crate::clock;
use crate::environment::Environment;
use crate::mutex::lock;

/// Names of go commands that ask a cache. Any other is `other`.
const COMMANDS: [&str; 10] = ["build", "fix", "generate", "get", "install", "list", "run", "test", "tool", "vet"];

/// Why there was nothing for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MissCause {
    /// The store has nothing of it.
    #[default]
    New,
    /// It is there under conditions that do not hold here.
    Condition,
    /// Another GOCACHE keeps it for itself.
    Private,
    /// A part of it is missing or damaged.
    Lost,
}

/// The figures of this go command.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Held for one sum.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sum: GoFigures,
    /// Misses, without repeated ones, also those that are put later.
    misses: u64,
    /// When each missed action was asked for, and why there was nothing. Go computes it until its put: that time is what a hit saves.
    missed: BoundedMap<(Instant, MissCause)>,
}

impl Figures {
    /// A request was answered: with so many bytes, whose making took so long. Repeated ones are not told.
    pub(crate) fn hit(&self, bytes: u64, saved_ms: u64, is_package: bool) {
        let sum = &mut lock(&self.state).sum;
        sum.hits += 1;
        sum.bytes_served = sum.bytes_served.saturating_add(bytes);
        sum.saved_ms = sum.saved_ms.saturating_add(saved_ms);
        sum.packages_needed += u64::from(is_package);
    }

    /// There was nothing for a request.
    pub(crate) fn miss(&self, action: ActionId, cause: MissCause) {
        let mut state = lock(&self.state);
        if state.missed.get(&action).is_none() {
            state.misses += 1;
        }
        state.missed.insert(action, (Instant::now(), cause));
    }

    /// So many bytes of a put were kept.
    pub(crate) fn kept(&self, bytes: u64) {
        let sum = &mut lock(&self.state).sum;
        sum.bytes_put = sum.bytes_put.saturating_add(bytes);
    }

    /// A put that arrived at this moment was received. Returns how long it took to make, where it was asked for.
    pub(crate) fn put(&self, action: &ActionId, kind: Kind, arrived: Instant) -> Option<Duration> {
        let mut state = lock(&self.state);
        let missed = state.missed.remove(action);
        let sum = &mut state.sum;
        let (asked, cause) = missed?;
        *match cause {
            MissCause::New if matches!(kind, Kind::Mtime | Kind::StoreIndex) => &mut sum.mtime_keyed,
            MissCause::New => &mut sum.new,
            MissCause::Condition => &mut sum.condition,
            MissCause::Private => &mut sum.private,
            MissCause::Lost => &mut sum.lost,
        } += 1;
        sum.packages_needed += u64::from(kind.is_package());
        sum.packages_compiled += u64::from(kind.is_package());
        Some(arrived.saturating_duration_since(asked))
    }

    /// Notes them in the store in this directory, where the go command asked for anything. cmd/go has its last answer by now.
    pub(crate) fn note(&self, dir: &Path, environment: &Environment) {
        let sum = self.sum();
        if sum == GoFigures::default() || !dir.is_dir() {
            return; // nothing is made for figures alone
        }
        let directory = std::env::current_dir().unwrap_or_default();
        let command = GoCommand {
            ended: clock::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            command: name(environment.invocation.arguments().unwrap_or_default()).to_owned(),
            directory: directory.to_string_lossy().into_owned(),
            figures: GoFigures { commands: 1, ..sum },
        };
        if let Err(e) = GoCommands::note(dir, &command) {
            environment.log(&format!("the figures of this go command are not noted: {e}"));
        }
    }

    fn sum(&self) -> GoFigures {
        let state = lock(&self.state);
        GoFigures { never_put: state.misses.saturating_sub(state.sum.misses()), ..state.sum }
    }
}

/// The name of the go command with these arguments, its own name first (cmd/go/main.go: `-C DIR` comes before it, Go 1.21-1.27).
fn name(arguments: &[OsString]) -> &'static str {
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    let mut word = words.next();
    match word.as_deref() {
        Some("-C" | "--C") => word = words.nth(1),
        Some(first) if first.starts_with("-C=") || first.starts_with("--C=") => word = words.next(),
        _ => {}
    }
    COMMANDS.into_iter().find(|name| word.as_deref() == Some(*name)).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(line: &str) -> &'static str {
        name(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_go_command_has_the_name_of_its_subcommand() {
        assert_eq!(named("/go/bin/go build ./test"), "build");
        assert_eq!(named("go -C build test"), "test");
        assert_eq!(named("go -C=x vet"), "vet");
        for other in ["go", "gopls", "go secret", "go -C"] {
            assert_eq!(named(other), "other", "{other}");
        }
    }

    #[test]
    fn what_was_put_after_a_miss_counts_by_the_misss_cause_and_the_rest_was_never_put() {
        let figures = Figures::default();
        let action = |n| ActionId([n; 32]);
        let put = |n, kind| {
            figures.kept(3);
            figures.put(&action(n), kind, Instant::now())
        };
        figures.hit(10, 500, true);
        for (n, cause) in (1..).zip([
            MissCause::New,
            MissCause::New,
            MissCause::Condition,
            MissCause::Private,
            MissCause::Lost,
            MissCause::New,
            MissCause::New,
        ]) {
            figures.miss(action(n), cause);
        }
        figures.miss(action(7), MissCause::New);
        for (n, kind) in (1..).zip([Kind::Archive, Kind::Mtime, Kind::Archive, Kind::Content, Kind::Content]) {
            assert!(put(n, kind).is_some());
        }
        assert_eq!(put(9, Kind::Archive), None);
        let expected = GoFigures {
            hits: 1,
            bytes_served: 10,
            saved_ms: 500,
            bytes_put: 18,
            packages_needed: 3,
            packages_compiled: 2,
            new: 1,
            mtime_keyed: 1,
            condition: 1,
            private: 1,
            lost: 1,
            never_put: 2,
            commands: 0,
        };
        assert_eq!(figures.sum(), expected);
    }
}
