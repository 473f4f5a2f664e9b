use std::path::Path;

use proto::blinded_table::Link;
use proto::control::{BuildStatus, Counts};
use proto::wire::{Hello, Reply, Request, Toolchain};
use proto::{Condition, Output, Scope, ScopeDigest};
use testkit::{Daemon, Session, action, content, output, profile};

const LIST: &[u8] = b"nix-gocacheprog test inputs 1 x\n";
const RESULT: &[u8] = b"ok  \tm\t0.01s\n";

/// Puts a test's result as action 1, with its list, and an archive as action 2.
fn put_all(view: &Path) {
    let mut session = Session::open(view, "/go");
    session.get(1);
    std::thread::sleep(std::time::Duration::from_millis(20)); // the test runs
    let (inputs, size) = (LIST.len() as u64, RESULT.len() as u64);
    let put = Request::PutTest { action: action(1), output: Output { id: output(RESULT), size }, inputs };
    session.send(put, &[LIST, RESULT].concat());
    assert!(matches!(session.reply(), Reply::Stored { .. }));
    session.put(2, b"!<arch>\n");
}

fn build(daemon: &Daemon, name: &str) -> BuildStatus {
    daemon.status().builds.live.into_iter().find(|build| build.name == name).unwrap()
}

fn counts(daemon: &Daemon, name: &str) -> (u64, u64, u64) {
    let Counts { gets, hits, rejected, .. } = build(daemon, name).counts;
    (gets, hits, rejected)
}

/// Asks for the test's result; the id of what is offered.
fn offered(session: &mut Session) -> u32 {
    let id = session.send(Request::Get { action: action(1) }, b"");
    assert!(matches!(session.reply(), Reply::HitIf { .. }));
    id
}

#[test]
fn an_offer_counts_as_a_hit_when_the_client_has_reported_that_its_condition_holds() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    put_all(&one);
    let mut session = Session::open(&two, "/go");
    let id = offered(&mut session);
    assert_eq!(counts(&daemon, "two"), (1, 0, 0), "the client has not decided yet");
    session.tell(id, Request::Rejected, b"");
    session.wait_for_notices();
    assert_eq!(counts(&daemon, "two"), (1, 0, 1));
    assert_eq!(build(&daemon, "two").counts.saved_milliseconds, 0);
    let id = offered(&mut session);
    session.tell(id, Request::Accepted(0), b"");
    session.tell(id, Request::Accepted(0), b""); // once is enough
    session.tell(id + 7, Request::Accepted(0), b""); // and to nothing
    session.wait_for_notices();
    assert_eq!(counts(&daemon, "two"), (2, 1, 1));
    let counted = build(&daemon, "two").counts;
    assert_eq!(counted.bytes_served, RESULT.len() as u64);
    assert!(counted.saved_milliseconds >= 20, "{counted:?}");
    // Of an offer that there is not, and of one of which nothing is said, nothing is counted.
    let id = offered(&mut session);
    session.tell(id, Request::Accepted(1), b"");
    session.wait_for_notices();
    offered(&mut session);
    drop(session);
    assert_eq!(counts(&daemon, "two"), (4, 1, 2));
}

#[test]
fn a_profile_has_the_outcome_of_each_offer() {
    let daemon = Daemon::start();
    put_all(&daemon.register("one"));
    for (name, decision, came) in [
        ("yes", Some(Request::Accepted(0)), "hit-if"),
        ("no", Some(Request::Rejected), "rejected"),
        ("?", None, "miss"),
    ] {
        let mut session = Session::open(&daemon.register(name), "/go");
        let id = offered(&mut session);
        if let Some(decision) = decision {
            session.tell(id, decision, b"");
            session.wait_for_notices();
        }
        session.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(session.is_over());
        let profile = profile(&daemon, &build(&daemon, name).short).unwrap();
        assert_eq!(profile["others"][0]["came"], came, "{profile}");
    }
}

#[test]
fn the_number_of_undecided_offers_is_bounded() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    put_all(&one);
    let mut session = Session::open(&two, "/go");
    let first = offered(&mut session);
    for _ in 1..proto::limits::OFFERS {
        offered(&mut session);
    }
    assert_eq!(session.get(1), Reply::Miss);
    session.tell(first, Request::Rejected, b"");
    offered(&mut session);
}

fn condition(digest: u8) -> Condition {
    Condition { scope: Scope::module("m", None).unwrap(), digest: ScopeDigest([digest; 32]) }
}

/// Puts under a condition: what a scope holds, and what is made of that.
fn put_if(view: &Path, digest: u8, body: &[u8]) {
    let mut session = Session::open(view, "/go");
    session.get(5);
    assert!(matches!(session.put_private(5, body), Reply::Stored { .. }));
    session.share(5, body, Some(condition(digest)));
}

/// What a client does that finds this digest: it takes the candidate that has it, or none.
fn take(view: &Path, session: &mut Session, digest: u8) -> Option<Vec<u8>> {
    let id = session.send(Request::Get { action: action(5) }, b"");
    let Reply::Conditional { candidates } = session.reply() else { panic!("no offer") };
    let files = candidates.iter().map(|one| std::fs::read(view.join("o").join(one.output.id.to_string())).unwrap());
    let files: Vec<_> = files.collect(); // all are there, whichever is the right one
    let held = candidates.iter().position(|one| one.condition == condition(digest));
    let decision = held.map_or(Request::Rejected, |n| Request::Accepted(u8::try_from(n).unwrap()));
    session.tell(id, decision, b"");
    session.wait_for_notices();
    held.map(|n| files[n].clone())
}

#[test]
fn a_client_takes_the_candidate_whose_condition_holds_for_it() {
    let daemon = Daemon::start();
    let bodies = [b"!<arch>\none", b"!<arch>\ntwo"];
    for (digest, body) in (1..).zip(bodies) {
        put_if(&daemon.register(&format!("puts {digest}")), digest, body);
    }
    for (name, digest, taken) in [("one", 1, Some(bodies[0])), ("two", 2, Some(bodies[1])), ("none", 3, None)] {
        let view = daemon.register(name);
        let mut session = Session::open(&view, "/go");
        assert_eq!(take(&view, &mut session, digest).as_deref(), taken.map(<[u8; 11]>::as_slice));
        assert_eq!(counts(&daemon, name), if taken.is_some() { (1, 1, 0) } else { (1, 0, 1) });
        assert_eq!(build(&daemon, name).counts.bytes_served, taken.map_or(0, |body| body.len() as u64));
    }
    // It puts what it made instead, and has that the next time, as its GOCACHE would.
    let view = daemon.register("makes");
    let mut session = Session::open(&view, "/go");
    assert_eq!(take(&view, &mut session, 3), None);
    put_if(&view, 3, b"!<arch>\nthree");
    assert_eq!(content(&view, session.get(5)), b"!<arch>\nthree");
    let other = daemon.register("other");
    assert_eq!(take(&other, &mut Session::open(&other, "/go"), 3).unwrap(), b"!<arch>\nthree");
}

/// As GOCACHE itself keeps it: a header that changes later does not change the key, and another GOCACHE has nothing of it.
#[test]
fn what_was_accepted_is_a_hit_for_the_same_gocache_and_no_other() {
    let daemon = Daemon::start();
    put_if(&daemon.register("puts"), 1, b"!<arch>\none");
    let view = daemon.register("takes");
    assert!(take(&view, &mut Session::open(&view, "/go"), 1).is_some());
    let mut session = Session::open(&view, "/go");
    assert_eq!(content(&view, session.get(5)), b"!<arch>\none");
    let counted = build(&daemon, "takes").counts;
    assert_eq!((counted.hits, counted.repeated_gets), (2, 1));
    let hello = Hello::new(Toolchain { goroot: "/go".to_owned(), ..Toolchain::default() });
    for gocache in ["8:2", ""] {
        let mut other = Session::greet(&view, &Hello { gocache: gocache.to_owned(), ..hello.clone() });
        assert!(matches!(other.get(5), Reply::Conditional { .. }), "{gocache}");
    }
    // It is nothing that this build put: it cannot share it under another condition.
    session.share(5, b"!<arch>\none", Some(condition(9)));
    let Reply::Conditional { candidates } = Session::open(&daemon.register("looks"), "/go").get(5) else { panic!() };
    assert_eq!(candidates.len(), 1);
}

#[test]
fn what_a_client_claims_to_have_used_of_a_table_that_it_has_not_does_not_count() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    put_all(&one);
    let mut session = Session::open(&two, "/go");
    session.tell(0, Request::Used(vec![action(2), action(1), action(3)]), b"");
    session.wait_for_notices();
    assert_eq!(counts(&daemon, "two"), (0, 0, 0));
}

#[test]
fn what_a_client_used_of_a_table_that_is_revoked_by_now_counts() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    put_all(&one);
    // What a table that is revoked leaves: its links.
    let (id, secret) = (output(b"!<arch>\n"), [1; 32]);
    let build = two.parent().unwrap();
    std::fs::write(build.join("secret"), secret).unwrap();
    std::fs::create_dir(two.join("p")).unwrap();
    std::fs::write(two.join("p").join(Link::new(&secret, &id).file_name()), "!<arch>\n").unwrap();
    let mut session = Session::open(&two, "/go");
    session.tell(0, Request::Used(vec![action(2), action(1), action(3)]), b"");
    session.wait_for_notices();
    assert_eq!(counts(&daemon, "two"), (1, 1, 0));
}

#[test]
fn a_put_for_all_stands_beside_what_others_have_under_a_condition() {
    let daemon = Daemon::start();
    put_if(&daemon.register("one"), 1, b"!<arch>\nsame");
    let view = daemon.register("two");
    let mut session = Session::open(&view, "/go");
    assert!(matches!(session.put(5, b"!<arch>\nsame"), Reply::Stored { .. }));
    assert_eq!(build(&daemon, "two").counts.conflicts, 0);
    let other = daemon.register("three");
    assert_eq!(content(&other, Session::open(&other, "/go").get(5)), b"!<arch>\nsame");
}

#[test]
fn a_candidate_that_cannot_be_exposed_keeps_no_other_back() {
    let mut daemon = Daemon::start();
    let bodies = [b"!<arch>\none", b"!<arch>\ntwo"];
    for (digest, body) in (1..).zip(bodies) {
        put_if(&daemon.register(&format!("puts {digest}")), digest, body);
    }
    let view = daemon.register("takes");
    // A file does not take the place of a directory.
    std::fs::create_dir(view.join("o").join(output(bodies[1]).to_string())).unwrap();
    let mut session = Session::open(&view, "/go");
    assert_eq!(take(&view, &mut session, 2), None);
    assert_eq!(take(&view, &mut session, 1).unwrap(), bodies[0]);
    drop(session);
    let log = daemon.stop();
    assert_eq!(log.matches(&output(bodies[1]).to_string()).count(), 2, "once a get: {log}");
}
