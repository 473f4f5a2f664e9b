//! What the daemon finds of itself, as doctor shows what it finds: a level, a thing, what was found, and a fix. Pure.
//!
//! `cacheprogctl doctor` looks at the machine too: Nix's settings, hook, client, units, permissions. The daemon sees none of these. It
//! sees what came of them: which builds the hook registered, whether these asked for anything, and whose version it had to refuse.

use proto::control::{BuildStatus, Builds, LayerStatus, OfUnknown, OtherVersion, RemoteStatus, Sender, Status};
use proto::figures::{self, bytes, number, seconds};
use proto::finding::{Finding, bad, good, warn};
use proto::wire::VERSION;

use crate::limits::{PAGE_DIFFERENCES, PAGE_UNUSED, PAGE_WAIT_FOR_HOOK};

/// A day, in seconds.
const DAY: u64 = 86_400;

/// All findings, the good ones too; `now` is in seconds since 1970.
pub(crate) fn findings(status: &Status, now: u64) -> Vec<Finding> {
    let always = [
        registrations(status, now),
        use_by_builds(&status.builds),
        storing(status),
        free_space(status),
        unanswered(status),
        requesters(&status.builds),
        verification(status),
    ];
    let versions = versions(status, now);
    always.into_iter().chain(versions).chain(layers(&status.layers)).chain(status.remote.as_ref().map(remote)).collect()
}

/// Whether the hook runs: builds that it registered. A daemon without any may have been started just now, or on a machine that builds
/// nothing for days; only where there was never one, something may be missing.
fn registrations(status: &Status, now: u64) -> Finding {
    let what = "registered builds";
    let started = now.saturating_sub(status.uptime_seconds);
    let up = seconds(status.uptime_seconds);
    match latest(&status.builds) {
        Some(at) if at >= started => good(what, format!("the latest {} ago", seconds(now.saturating_sub(at)))),
        Some(at) => good(
            what,
            format!(
                "none since the daemon started {up} ago; the latest before, {} ago",
                seconds(now.saturating_sub(at))
            ),
        ),
        None if status.uptime_seconds < PAGE_WAIT_FOR_HOOK => {
            good(what, format!("none yet; the daemon started {up} ago"))
        }
        None => warn(
            what,
            format!("none, and the daemon started {up} ago"),
            "build a package that asks for the cache; if none is registered then, `cacheprogctl doctor` tells whether nix.conf names the hook",
        ),
    }
}

/// When the latest build was registered.
fn latest(builds: &Builds) -> Option<u64> {
    builds.all().map(|build| build.started).max()
}

/// Whether builds use the client that was mounted for them.
fn use_by_builds(builds: &Builds) -> Finding {
    let what = "use by builds";
    let asked = |build: &BuildStatus| build.counts.gets + build.counts.puts + build.counts.unanswered > 0;
    let last: Vec<_> = builds.ended.iter().take(PAGE_UNUSED).collect();
    match last.iter().filter(|build| asked(build)).count() {
        _ if last.is_empty() => good(what, "no build has ended yet"),
        0 => warn(
            what,
            format!("none of the last {} builds asked for anything, though the hook registered them", last.len()),
            "`cacheprogctl doctor` checks Nix's sandbox and the client; docs/how-to/packages.md has how a package asks",
        ),
        some => good(what, format!("{some} of the last {} builds asked for outputs", last.len())),
    }
}

/// Programs of another version. The hook's is over where it registered a build since; that of clients, which may differ from build to
/// build, after a day.
fn versions(status: &Status, now: u64) -> Vec<Finding> {
    let what = "versions of hook and client";
    let is_current = |other: &&OtherVersion| match other.sender {
        Sender::HookOrCommandLine => latest(&status.builds).is_none_or(|registered| registered <= other.last),
        Sender::Client => now.saturating_sub(other.last) < DAY,
    };
    let judge = |other: &OtherVersion| {
        let (sender, lost) = match other.sender {
            Sender::HookOrCommandLine => ("the hook or cacheprogctl", "builds of such a hook are not registered"),
            Sender::Client => ("clients of builds", "their builds go on without the daemon"),
        };
        let (version, times) = (other.version, number(other.times));
        let ago = seconds(now.saturating_sub(other.last));
        warn(
            what,
            format!(
                "{sender} spoke protocol {version} and this daemon {VERSION}, {times} times, the last {ago} ago: {lost}"
            ),
            "install hook, client and daemon of one version, then restart the daemon; live builds continue",
        )
    };
    let found: Vec<_> = status.other_versions.iter().filter(is_current).map(judge).collect();
    if found.is_empty() { vec![good(what, format!("no other protocol than {VERSION} was seen"))] } else { found }
}

fn storing(status: &Status) -> Finding {
    let what = "storing what builds put";
    match &status.trouble {
        None => good(what, "works"),
        Some(trouble) => bad(
            what,
            format!("fails, {} times so far; the latest error: {}", number(trouble.failures), trouble.latest),
            "free disk space, or repair the state directory; the daemon then stores again",
        ),
    }
}

fn free_space(status: &Status) -> Finding {
    let (what, free, least) = ("free space", status.free_bytes, status.min_free_bytes);
    if free < least {
        let found = format!("{}, but {} must stay free: all entries are evicted", bytes(free), bytes(least));
        return bad(what, found, "free disk space, or lower `min-free` in the settings");
    }
    good(what, format!("{}, at least {} must stay free", bytes(free), bytes(least)))
}

/// Whether clients had to go on without the daemon.
fn unanswered(status: &Status) -> Finding {
    let (what, counts) = ("answers to builds", &status.usage.day.counts);
    match counts.unanswered {
        0 => good(what, "no request of the last day went without one"),
        some => warn(
            what,
            format!("{} requests of the last day went without one, and were misses", number(some)),
            "see `journalctl -u nix-gocacheprog` for stops and errors of the daemon; `cacheprogctl doctor` compares versions",
        ),
    }
}

fn requesters(builds: &Builds) -> Finding {
    let what = "who asks for builds";
    match builds.of_unknown() {
        None if builds.all().next().is_none() => good(what, "not known yet: no build so far"),
        None => good(what, "known"),
        Some(OfUnknown { count, of, reason }) => warn(
            what,
            format!("not known for {count} of the last {of} builds, which share nothing: {reason}"),
            "`cacheprogctl doctor` has it",
        ),
    }
}

fn verification(status: &Status) -> Finding {
    let (what, found) = ("shadow verification", &status.verification);
    if found.differences.is_empty() {
        let text = figures::verification(found);
        return good(what, if text.is_empty() { "off".to_owned() } else { text });
    }
    let latest: Vec<_> = found.differences.iter().take(PAGE_DIFFERENCES).map(ToString::to_string).collect();
    bad(
        what,
        format!("{}. The latest: {}", figures::verification(found), latest.join("; ")),
        "the entries are in quarantine; docs/how-to/verify-outputs.md has what to do",
    )
}

fn layers(all: &[LayerStatus]) -> impl Iterator<Item = Finding> {
    let (what, fix) = ("layer", "make the layer again, or correct `layers` in the settings; restart the daemon");
    let judge = move |layer: &LayerStatus| {
        let text = figures::layer(layer);
        if layer.is_good() { good(what, text) } else { warn(what, text, fix) }
    };
    all.iter().map(judge)
}

fn remote(remote: &RemoteStatus) -> Finding {
    let (what, text) = ("remote store", figures::remote(remote));
    match remote.trouble {
        None => good(what, text),
        Some(_) => warn(what, text, "`cacheprog-remote test` tells step by step what is wrong"),
    }
}

#[cfg(test)]
mod tests {
    use proto::control::{BuildStatus, OutputDifference, Trouble, UNKNOWN_REQUESTER};
    use proto::finding::Level;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn levels(status: &Status) -> Vec<(&'static str, Level)> {
        findings(status, NOW).iter().filter(|one| one.level != Level::Good).map(|one| (one.what, one.level)).collect()
    }

    /// A daemon that is up for ten hours, with ended builds that were registered so long ago.
    fn with_builds(ages: &[u64]) -> Status {
        let build = |age: &u64| BuildStatus { started: NOW - age, ..BuildStatus::default() };
        let mut status = Status { uptime_seconds: 36_000, ..Status::default() };
        status.builds.ended = ages.iter().map(build).collect();
        status
    }

    #[test]
    fn a_daemon_that_just_started_has_no_problem() {
        assert!(levels(&Status::default()).is_empty());
    }

    #[test]
    fn a_hook_that_never_registered_a_build_is_a_problem_and_a_machine_that_builds_nothing_is_none() {
        let found = |ages: &[u64]| registrations(&with_builds(ages), NOW);
        assert_eq!(found(&[]).level, Level::Warn);
        assert!(found(&[]).fix.contains("cacheprogctl doctor"));
        assert_eq!(found(&[90_000, 120]).found, "the latest 2 min 0 s ago");
        let before = found(&[90_000]);
        assert_eq!((before.level, before.found.ends_with("the latest before, 1 d 1 h ago")), (Level::Good, true));
    }

    #[test]
    fn builds_that_are_registered_and_ask_for_nothing_are_a_problem_unless_another_one_asks() {
        let mut status = with_builds(&[1; 7]);
        let found = use_by_builds(&status.builds);
        assert!(found.level == Level::Warn && found.found.starts_with("none of the last 5 builds"), "{found:?}");
        status.builds.ended[6].counts.gets = 1; // too old to count
        assert_eq!(use_by_builds(&status.builds).level, Level::Warn);
        status.builds.ended[4].counts.puts = 1;
        assert_eq!(use_by_builds(&status.builds).found, "1 of the last 5 builds asked for outputs");
        assert_eq!(use_by_builds(&Builds::default()).level, Level::Good);
    }

    #[test]
    fn a_hook_of_another_version_is_a_problem_until_it_registers_and_a_client_for_a_day() {
        let of = |sender, age| OtherVersion { sender, version: 2, times: 7, last: NOW - age };
        let found = |sender, age, builds: &[u64]| {
            let status = Status { other_versions: vec![of(sender, age)], ..with_builds(builds) };
            versions(&status, NOW).remove(0)
        };
        let hook = found(Sender::HookOrCommandLine, 60, &[90]);
        assert!(hook.level == Level::Warn && hook.found.contains("7 times, the last 1 min 0 s ago"), "{hook:?}");
        assert_eq!(found(Sender::HookOrCommandLine, 60, &[50]).level, Level::Good);
        assert_eq!(found(Sender::Client, 60, &[50]).level, Level::Warn);
        assert_eq!(found(Sender::Client, DAY, &[50]).level, Level::Good);
    }

    #[test]
    fn each_problem_that_the_daemon_knows_of_is_found_and_has_a_fix() {
        let mut status = Status { min_free_bytes: 1, trouble: Some(Trouble::default()), ..Status::default() };
        status.usage.day.counts.unanswered = 7;
        status.verification.differences = vec![OutputDifference::default()];
        let shared_with = format!("no other build: {UNKNOWN_REQUESTER}: old");
        status.builds.ended = vec![BuildStatus { shared_with, ..BuildStatus::default() }];
        status.layers = vec![LayerStatus::default(), LayerStatus { damaged: 1, ..LayerStatus::default() }];
        status.remote = Some(RemoteStatus { trouble: Some("refused".to_owned()), ..RemoteStatus::default() });
        status.other_versions = vec![OtherVersion { sender: Sender::Client, version: 2, times: 1, last: NOW }];
        let all = [
            ("use by builds", Level::Warn),
            ("storing what builds put", Level::Bad),
            ("free space", Level::Bad),
            ("answers to builds", Level::Warn),
            ("who asks for builds", Level::Warn),
            ("shadow verification", Level::Bad),
            ("versions of hook and client", Level::Warn),
            ("layer", Level::Warn),
            ("remote store", Level::Warn),
        ];
        assert_eq!(levels(&status), all);
        assert!(findings(&status, NOW).iter().all(|one| one.fix.is_empty() == (one.level == Level::Good)));
    }
}
