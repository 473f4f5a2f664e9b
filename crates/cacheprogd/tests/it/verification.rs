//! Shadow verification: what is withheld, compared and taken out of service.

use std::time::Duration;

use proto::control::Requester;
use proto::wire::Reply;
use proto::{Condition, ScopeDigest, scopes};
use testkit::{Daemon, Session};

/// Each action's honest output, and another one.
pub(crate) fn honest(n: u8) -> Vec<u8> {
    [b"!<arch>\nhonest ".as_slice(), &[n]].concat()
}
pub(crate) const OTHER: &[u8] = b"!<arch>\nanother";

pub(crate) const CONDITIONAL: std::ops::Range<u8> = 150..250;
pub(crate) const ALL: std::ops::Range<u8> = 0..250;

pub(crate) fn session(daemon: &Daemon, name: &str, uid: u32) -> Session {
    Session::open(&daemon.register_for(name, Requester::User { uid, forwards: false }, true), "/go")
}

pub(crate) fn writer() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn condition() -> Option<Condition> {
    Some(Condition { scope: scopes::STD, digest: ScopeDigest([1; 32]) })
}

pub(crate) fn put(session: &mut Session, n: u8, body: &[u8]) {
    if CONDITIONAL.contains(&n) {
        session.put_private(n, body);
        session.share(n, body, condition());
        session.wait_for_notices();
    } else {
        session.put(n, body);
    }
}

/// A daemon with entries that cost some milliseconds each.
pub(crate) fn daemon_with_entries(settings: &str) -> (tempfile::TempDir, Daemon) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("settings.toml");
    std::fs::write(&config, settings).unwrap();
    let daemon = Daemon::start_with(&["--config", config.to_str().unwrap()]);
    let mut first = session(&daemon, "first", writer());
    for n in ALL {
        assert_eq!(first.get(n), Reply::Miss);
    }
    std::thread::sleep(Duration::from_millis(3));
    ALL.for_each(|n| put(&mut first, n, &honest(n)));
    (dir, daemon)
}

pub(crate) fn missed(session: &mut Session, of: impl IntoIterator<Item = u8>) -> Vec<u8> {
    of.into_iter().filter(|n| session.get(*n) == Reply::Miss).collect()
}

pub(crate) const SETTINGS: &str = "[trust]\nshadow-seconds-per-hour = 3600\n";

#[test]
fn what_is_withheld_is_compared_and_an_output_that_differs_is_out_of_service() {
    let (_dir, mut daemon) = daemon_with_entries(SETTINGS);
    let mut second = session(&daemon, "second", writer());
    let withheld = missed(&mut second, ALL);
    assert!((1..100).contains(&withheld.len()), "{withheld:?}");
    let of_each =
        [withheld.iter().find(|n| !CONDITIONAL.contains(n)), withheld.iter().find(|n| CONDITIONAL.contains(n))];
    let differing: Vec<u8> = of_each.into_iter().flatten().copied().collect();
    for &n in &withheld {
        let body = if differing.contains(&n) { OTHER.to_vec() } else { honest(n) };
        put(&mut second, n, &body);
    }
    assert_eq!(missed(&mut second, ALL), Vec::<u8>::new(), "once in a build");
    let found = daemon.status().verification;
    assert_eq!((found.compared, found.differing), (withheld.len() as u64, differing.len() as u64), "{found:?}");
    let newest = &found.differences[0];
    assert_eq!((newest.shared.name.as_str(), newest.computed.name.as_str()), ("first", "second"));
    assert_eq!(newest.given_to, [daemon.build("first").short]);
    assert!(
        found.differences.iter().any(|one| one.scope == "std")
            && found.differences.iter().any(|one| one.scope.is_empty())
    );
    assert_eq!(missed(&mut session(&daemon, "user", 30_101), ALL), differing, "a user's build computes nothing again");
    // A third build puts the honest one; and after a restart.
    let mut third = session(&daemon, "third", writer());
    for &n in &differing {
        assert_eq!(third.get(n), Reply::Miss);
        put(&mut third, n, &honest(n));
    }
    let log = daemon.stop();
    assert!(log.contains("was shared") && log.contains("in quarantine"), "{log}");
    daemon.start_again();
    assert_eq!(missed(&mut session(&daemon, "user", 30_101), ALL), differing);
    assert_eq!(daemon.status().verification.differences.len(), differing.len());
}

#[test]
fn without_the_setting_and_beyond_its_budget_nothing_is_withheld() {
    for settings in ["", "[trust]\nshadow-seconds-per-hour = 1\n"] {
        let (_dir, daemon) = daemon_with_entries(settings);
        let mut withheld = 0;
        for name in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
            let mut build = session(&daemon, name, writer());
            let missed = missed(&mut build, ALL);
            withheld += missed.len();
            missed.into_iter().for_each(|n| put(&mut build, n, &honest(n)));
        }
        // Ten builds would compute some 150 outputs again. Each counts as 100 ms at least, and this test takes less than an hour.
        assert!(withheld <= if settings.is_empty() { 0 } else { 19 }, "{withheld}");
        assert_eq!(daemon.status().verification.compared, withheld as u64);
    }
}
