//! What a daemon's status tells: a level, a thing, what was found, and a fix. `cacheprogctl doctor` prints it after what it finds of the
//! machine (Nix's settings, hook, client, units, permissions); the daemon's page shows it alone. Pure.
//!
//! The daemon sees nothing of the machine. It sees what came of it: which builds the hook registered, whether these asked for anything, who
//! asked for them, and whose version it had to refuse.

use super::{Finding, bad, good, warn};
use crate::control::{BuildStatus, Builds, LayerStatus, OfUnknown, OtherVersion, RemoteStatus, Sender, Status};
use crate::figures::{self, bytes, number, seconds};
use crate::wire::VERSION;

/// A day, in seconds.
const DAY: u64 = 86_400;
/// Differences between outputs that are named.
const DIFFERENCES: usize = 5;
/// Ended builds of which one has to have asked for something.
const UNUSED: usize = 5;
/// Seconds after the daemon's start in which it is no problem that no build was ever registered.
const WAIT_FOR_HOOK: u64 = 3600;

/// All findings, the good ones too, except [`free_space`]: doctor judges it by the settings file, which the daemon may not have read yet. `now`
/// is in seconds since 1970.
#[must_use]
pub fn of_status(status: &Status, now: u64) -> Vec<Finding> {
    let always = [
        storing(status),
        registrations(status, now),
        use_by_builds(&status.builds),
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
        None if status.uptime_seconds < WAIT_FOR_HOOK => good(what, format!("none yet; the daemon started {up} ago")),
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
    let last: Vec<_> = builds.ended.iter().take(UNUSED).collect();
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

/// Whether the disk has room; `free` and `least` are the bytes that are free, and that must stay free.
#[must_use]
pub fn free_space(free: u64, least: u64) -> Finding {
    let what = "free space";
    if free < least {
        let found = format!("{}, but {} must stay free: all entries are evicted", bytes(free), bytes(least));
        return bad(what, found, "free disk space, or lower min-free in /etc/nix-gocacheprog.toml");
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
            requester_fix(reason),
        ),
    }
}

/// What to do (`prebuild-hook`, requester.rs has the reasons).
fn requester_fix(why: &str) -> &'static str {
    if why.contains("earlier version") {
        "install hook and daemon of one version, and restart nix-daemon"
    } else if why.contains("came by") || why.contains("has no connection") {
        "set NIX_DAEMON_SOCKET_PATH, in nix-daemon's environment, to the path where its socket listens"
    } else if why.contains("looking at") || why.contains("looked at") || why.contains("asking for") {
        "let the hook use pidfd_getfd(2): Linux 5.6, kernel.yama.ptrace_scope below 3; in a container CAP_SYS_PTRACE and a filter of \
         system calls that allows it (systemd-nspawn: --system-call-filter=pidfd_getfd)"
    } else {
        "see docs/explanation/security.md, \"Who may write what others read\""
    }
}

fn verification(status: &Status) -> Finding {
    let (what, found) = ("shadow verification", &status.verification);
    if found.differences.is_empty() {
        let text = figures::verification(found);
        return good(what, if text.is_empty() { "off".to_owned() } else { text });
    }
    let latest: Vec<_> = found.differences.iter().take(DIFFERENCES).map(ToString::to_string).collect();
    bad(
        what,
        format!("{}. The latest: {}", figures::verification(found), latest.join("; ")),
        "the entries are in quarantine. Find out whether one of the builds is hostile, or the compiler does not give the same \
         output each time (docs/how-to/verify-outputs.md); build again what was given a wrong one",
    )
}

fn layers(all: &[LayerStatus]) -> impl Iterator<Item = Finding> {
    let what = "a layer";
    let fix = "make the layer again, or correct `layers` in /etc/nix-gocacheprog.toml; restart the daemon. Its unit reads nothing below \
               /home, /root and /run/user";
    let judge = move |layer: &LayerStatus| {
        let text = figures::layer(layer);
        if layer.is_good() { good(what, text) } else { warn(what, text, fix) }
    };
    all.iter().map(judge)
}

fn remote(remote: &RemoteStatus) -> Finding {
    let (what, text) = ("the remote store", figures::remote(remote));
    let fix = "as root: `cacheprog-remote test --url URL --credentials-file FILE` tells step by step what is wrong; `journalctl -u \
               nix-gocacheprog` has each failure";
    if remote.trouble.is_none() { good(what, text) } else { warn(what, text, fix) }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;
    use crate::control::{OutputDifference, Trouble, UNKNOWN_REQUESTER};

    const NOW: u64 = 1_000_000;

    fn levels(status: &Status) -> Vec<(&'static str, Level)> {
        of_status(status, NOW).iter().filter(|one| one.level != Level::Good).map(|one| (one.what, one.level)).collect()
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
        let mut status = Status { trouble: Some(Trouble::default()), ..Status::default() };
        status.usage.day.counts.unanswered = 7;
        status.verification.differences = vec![OutputDifference::default()];
        let shared_with = format!("no other build: {UNKNOWN_REQUESTER}: old");
        status.builds.ended = vec![BuildStatus { shared_with, ..BuildStatus::default() }];
        status.layers = vec![LayerStatus::default(), LayerStatus { damaged: 1, ..LayerStatus::default() }];
        status.remote = Some(RemoteStatus { trouble: Some("refused".to_owned()), ..RemoteStatus::default() });
        status.other_versions = vec![OtherVersion { sender: Sender::Client, version: 2, times: 1, last: NOW }];
        let all = [
            ("storing what builds put", Level::Bad),
            ("use by builds", Level::Warn),
            ("answers to builds", Level::Warn),
            ("who asks for builds", Level::Warn),
            ("shadow verification", Level::Bad),
            ("versions of hook and client", Level::Warn),
            ("a layer", Level::Warn),
            ("the remote store", Level::Warn),
        ];
        assert_eq!(levels(&status), all);
        assert_eq!([free_space(1, 1), free_space(1, 2)].map(|one| one.level), [Level::Good, Level::Bad]);
        assert!(of_status(&status, NOW).iter().all(|one| one.fix.is_empty() == (one.level == Level::Good)));
    }

    #[test]
    fn builds_of_an_unknown_user_are_counted_and_have_a_reason_and_a_fix() {
        let build =
            |started, shared_with: &str| BuildStatus { started, shared_with: shared_with.into(), ..Default::default() };
        let judged = |ended: Vec<BuildStatus>| requesters(&Builds { ended, ..Builds::default() });
        let unknown = |started, why: &str| build(started, &format!("no other build: {UNKNOWN_REQUESTER}: {why}"));
        let known = build(9, "user 1000");
        assert_eq!(judged(vec![known.clone(), build(3, "no other build: it has a network")]).level, Level::Good);
        assert_eq!(judged(Vec::new()).found, "not known yet: no build so far");
        let found = judged(vec![known, unknown(2, "old"), unknown(8, "its connection came by /a and not by /b")]);
        assert_eq!(found.level, Level::Warn);
        assert!(found.found.starts_with("not known for 2 of the last 3 builds"), "{found:?}");
        assert!(
            found.found.ends_with("came by /a and not by /b") && found.fix.contains("NIX_DAEMON_SOCKET_PATH"),
            "{found:?}"
        );
        let old = (0..9).map(|n| build(n + 10, "all users")).chain([unknown(1, "x")]).collect();
        assert_eq!(judged(old).level, Level::Good);
        assert!(requester_fix("looking at its descriptors: EPERM").contains("pidfd_getfd"));
    }

    #[test]
    fn each_layer_is_named_and_the_bad_ones_have_a_fix() {
        let layer = |damaged, refused: Option<&str>| LayerStatus {
            directory: "/layer".to_owned(),
            copied: 7,
            damaged,
            refused: refused.map(str::to_owned),
        };
        let all = [layer(0, None), layer(2, None), layer(0, Some("gone"))];
        let found: Vec<_> = layers(&all).map(|one| (one.level, one.found)).collect();
        assert_eq!(found[0], (Level::Good, "/layer: 7 entries copied".to_owned()));
        for (found, text) in found[1..].iter().zip(["2 are DAMAGED", "/layer is NOT USED: gone"]) {
            assert!(found.0 == Level::Warn && found.1.ends_with(text), "{found:?}");
        }
    }
}
