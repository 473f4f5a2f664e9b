//! What code that runs in a writer's own build tries, so that what it put is not computed again, or so that nothing is.

use std::time::Duration;

use proto::wire::{Hello, Reply, Request, Toolchain};
use proto::{ActionId, Condition, Output, ScopeDigest, scopes};
use testkit::{Daemon, Session, action, output};

use crate::verification::{ALL, OTHER, SETTINGS, daemon_with_entries, honest, missed, session, writer};

fn daemon(settings: &str) -> (tempfile::TempDir, Daemon) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("settings.toml");
    std::fs::write(&config, settings).unwrap();
    let daemon = Daemon::start_with(&["--config", config.to_str().unwrap()]);
    (dir, daemon)
}

fn under(scope: proto::Scope) -> Option<Condition> {
    Some(Condition { scope, digest: ScopeDigest([1; 32]) })
}

fn differing(daemon: &Daemon) -> (u64, u64) {
    let found = daemon.status().verification;
    (found.compared, found.differing)
}

fn is_hit(reply: &Reply) -> bool {
    matches!(reply, Reply::Hit { .. })
}

#[test]
fn an_output_without_a_condition_is_compared_with_one_that_has_a_condition() {
    let (_dir, daemon) = daemon(SETTINGS);
    let mut hostile = session(&daemon, "hostile", writer());
    ALL.for_each(|n| drop(hostile.put(n, OTHER)));
    let mut victim = session(&daemon, "victim", writer());
    let withheld = missed(&mut victim, ALL);
    for &n in &withheld {
        victim.put_private(n, &honest(n));
        victim.share(n, &honest(n), under(scopes::STD));
    }
    let all = withheld.len() as u64;
    assert!(all > 0);
    assert_eq!(differing(&daemon), (all, all));
    let mut user = session(&daemon, "user", 30_101);
    assert!(withheld.iter().all(|n| !is_hit(&user.get(*n))), "out of service");
}

#[test]
fn an_output_under_a_condition_is_compared_with_one_that_has_none() {
    let (_dir, daemon) = daemon(SETTINGS);
    let mut hostile = session(&daemon, "hostile", writer());
    for n in ALL {
        hostile.put_private(n, OTHER);
        hostile.share(n, OTHER, under(scopes::STD));
    }
    let mut victim = session(&daemon, "victim", writer());
    let withheld = missed(&mut victim, ALL);
    withheld.iter().for_each(|&n| drop(victim.put(n, &honest(n))));
    let all = withheld.len() as u64;
    assert!(all > 0);
    assert_eq!(differing(&daemon), (all, all));
}

#[test]
fn what_claims_to_take_longer_than_the_budget_is_compared_all_the_same() {
    let (_dir, daemon) = daemon("[trust]\nshadow-seconds-per-hour = 1\n");
    let mut hostile = session(&daemon, "hostile", writer());
    missed(&mut hostile, ALL);
    std::thread::sleep(Duration::from_millis(1200));
    ALL.for_each(|n| drop(hostile.put(n, OTHER)));
    let mut victim = session(&daemon, "victim", writer());
    let withheld = missed(&mut victim, ALL);
    assert!(!withheld.is_empty());
    withheld.iter().for_each(|&n| drop(victim.put(n, &honest(n))));
    // It took no time: there is a budget for more.
    let mut next = session(&daemon, "next", writer());
    assert!(missed(&mut next, ALL).iter().any(|n| !withheld.contains(n)));
}

#[test]
fn a_build_that_asks_without_end_leaves_others_a_budget() {
    let (_dir, daemon) = daemon_with_entries("[trust]\nshadow-seconds-per-hour = 60\n");
    let mut hostile = session(&daemon, "hostile", writer());
    for _ in 0..50 {
        missed(&mut hostile, ALL);
    }
    assert!(!missed(&mut session(&daemon, "victim", writer()), ALL).is_empty());
}

#[test]
fn another_session_of_the_build_may_put_what_was_withheld() {
    let (_dir, daemon) = daemon(SETTINGS);
    let mut hostile = session(&daemon, "hostile", writer());
    ALL.for_each(|n| drop(hostile.put(n, OTHER)));
    let view = daemon.register("victim");
    let withheld = missed(&mut Session::open(&view, "/go"), ALL);
    // What it puts is of another toolchain, or of a go command whose invocation brings something in, and may be another output.
    let mut other_toolchain = Session::open(&view, "/go2");
    withheld.iter().for_each(|&n| drop(other_toolchain.put(n, b"!<arch>\nof another toolchain")));
    let hello = Hello::new(Toolchain { goroot: "/go".into(), ..Toolchain::default() });
    let mut with_toolexec = Session::greet(&view, &Hello { only_conditional: true, gocache: "8:2".into(), ..hello });
    withheld.iter().for_each(|&n| drop(with_toolexec.put_private(n, b"!<arch>\nof another program")));
    assert_eq!(differing(&daemon), (0, 0));
    let mut flushes_its_spool = Session::open(&view, "/go");
    withheld.iter().for_each(|&n| drop(flushes_its_spool.put(n, &honest(n))));
    assert_eq!(differing(&daemon).1, withheld.len() as u64);
    assert!(!withheld.is_empty());
}

/// Another mirror may serve other bytes of the same file, and the one of these may be gone.
#[test]
fn files_of_modules_are_not_fetched_again() {
    let (_dir, daemon) = daemon(SETTINGS);
    let mut first = Session::open(&daemon.register("first"), "modules 2");
    ALL.for_each(|n| drop(first.put(n, b"a module's file")));
    assert_eq!(missed(&mut Session::open(&daemon.register("second"), "modules 2"), ALL), Vec::<u8>::new());
}

#[test]
fn what_is_purged_between_an_offer_and_its_acceptance_is_not_noted() {
    let (_dir, daemon) = daemon("");
    let mut first = session(&daemon, "first", writer());
    first.put_private(1, OTHER);
    first.share(1, OTHER, under(scopes::STD));
    let view = daemon.register("second");
    let mut second = Session::open(&view, "/go");
    let id = second.send(Request::Get { action: action(1) }, b"");
    assert!(matches!(second.reply(), Reply::Conditional { .. }));
    let store = store::Store::open(&daemon.state_dir(), store::Access::Traversable).unwrap().beside_daemon();
    let now = std::time::SystemTime::now();
    store.evictor().purge(&store::PurgeFilter::All, now, store::Mode::Apply, &mut |_| {}).unwrap();
    second.tell(id, Request::Accepted(0), b"");
    second.wait_for_notices();
    assert_eq!(Session::open(&view, "/go").get(1), Reply::Miss);
}

/// The body of an archive, and of a test that passed.
#[test]
fn an_archive_is_no_tests_result_whatever_its_last_line() {
    const LIST: &[u8] = b"nix-gocacheprog test inputs 1 x\n";
    let (_dir, daemon) = daemon("");
    let body = [OTHER, b"\nok  \tm\t0.01s\n".as_slice()].concat();
    let mut hostile = session(&daemon, "hostile", writer());
    let (inputs, size) = (LIST.len() as u64, body.len() as u64);
    let put = |action: ActionId| Request::PutTest { action, output: Output { id: output(&body), size }, inputs };
    hostile.send(put(action(1)), &[LIST, &body].concat());
    assert!(matches!(hostile.reply(), Reply::Stored { .. }));
    assert_eq!(session(&daemon, "victim", writer()).get(1), Reply::Miss);
    assert!(is_hit(&hostile.get(1)), "its own");
}
