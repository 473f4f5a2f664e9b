//! What the daemon finds of itself, as doctor shows what it finds: a level, a thing, what was found, and a fix. Pure.
//!
//! `cacheprogctl doctor` looks at the machine too: Nix's settings, hook, client, units, permissions. The daemon sees none of these.

use proto::control::{Builds, LayerStatus, OfUnknown, RemoteStatus, Status};
use proto::figures::{self, bytes, number};
use proto::finding::{Finding, bad, good, warn};

use crate::limits::PAGE_DIFFERENCES;

/// All findings, the good ones too.
pub(crate) fn findings(status: &Status) -> Vec<Finding> {
    let always =
        [storing(status), free_space(status), unanswered(status), requesters(&status.builds), verification(status)];
    always.into_iter().chain(layers(&status.layers)).chain(status.remote.as_ref().map(remote)).collect()
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

    fn levels(status: &Status) -> Vec<(&'static str, Level)> {
        findings(status).iter().filter(|one| one.level != Level::Good).map(|one| (one.what, one.level)).collect()
    }

    #[test]
    fn a_daemon_without_builds_has_no_problem() {
        assert!(levels(&Status::default()).is_empty());
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
        let all = [
            ("storing what builds put", Level::Bad),
            ("free space", Level::Bad),
            ("answers to builds", Level::Warn),
            ("who asks for builds", Level::Warn),
            ("shadow verification", Level::Bad),
            ("layer", Level::Warn),
            ("remote store", Level::Warn),
        ];
        assert_eq!(levels(&status), all);
        assert!(findings(&status).iter().all(|one| one.fix.is_empty() == (one.level == Level::Good)));
    }
}
