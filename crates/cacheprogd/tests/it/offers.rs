use std::path::Path;

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

/// Waits until notices, which have no reply, were read: a request that was sent after them is answered after them.
fn wait(session: &mut Session) {
    session.send(Request::Summary, b"");
    session.reply();
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
    wait(&mut session);
    assert_eq!(counts(&daemon, "two"), (1, 0, 1));
    assert_eq!(build(&daemon, "two").counts.saved_milliseconds, 0);
    let id = offered(&mut session);
    session.tell(id, Request::Accepted(0), b"");
    session.tell(id, Request::Accepted(0), b""); // once is enough
    session.tell(id + 7, Request::Accepted(0), b""); // and to nothing
    wait(&mut session);
    assert_eq!(counts(&daemon, "two"), (2, 1, 1));
    let counted = build(&daemon, "two").counts;
    assert_eq!(counted.bytes_served, RESULT.len() as u64);
    assert!(counted.saved_milliseconds >= 20, "{counted:?}");
    // Of an offer that there is not, and of one of which nothing is said, nothing is counted.
    let id = offered(&mut session);
    session.tell(id, Request::Accepted(1), b"");
    wait(&mut session);
    offered(&mut session);
    drop(session);
    assert_eq!(counts(&daemon, "two"), (4, 1, 2));
}

#[test]
fn a_hit_counts_when_a_client_that_keeps_its_own_has_reported_that_it_admits_it() {
    let daemon = Daemon::start();
    put_all(&daemon.register("one"));
    let toolchain = Toolchain { goroot: "/go".to_owned(), ..Toolchain::default() };
    let hello = Hello { keeps_its_own: true, ..Hello::new(toolchain) };
    for (name, decision, counted, came) in [
        ("?", None, (1, 0, 0), "miss"),
        ("no", Some(Request::Rejected), (1, 0, 1), "miss"),
        ("yes", Some(Request::Accepted(0)), (1, 1, 0), "hit"),
    ] {
        let mut session = Session::greet(&daemon.register(name), &hello);
        let id = session.send(Request::Get { action: action(2) }, b"");
        assert!(matches!(session.reply(), Reply::Hit { .. }));
        assert_eq!(counts(&daemon, name), (1, 0, 0), "the client has not decided yet");
        if let Some(decision) = decision {
            session.tell(id, decision, b"");
            wait(&mut session);
        }
        session.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(session.is_over());
        assert_eq!(counts(&daemon, name), counted);
        assert_eq!(build(&daemon, name).counts.bytes_served, 8 * counted.1);
        let profile = profile(&daemon, &build(&daemon, name).short).unwrap();
        assert_eq!(profile["others"][0]["came"], came, "{profile}");
    }
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
            wait(&mut session);
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

/// Puts under a condition: what a scope holds, and what is made of that.
fn put_if(view: &Path, digest: u8, body: &[u8]) {
    let mut session = Session::open(view, "/go");
    session.get(5);
    let condition = Condition { scope: Scope::new("module m").unwrap(), digest: ScopeDigest([digest; 32]) };
    let put =
        Request::PutIf { action: action(5), output: Output { id: output(body), size: body.len() as u64 }, condition };
    session.send(put, body);
    assert!(matches!(session.reply(), Reply::Stored { .. }));
}

/// What a client does that finds this digest: it takes the candidate that has it, or none.
fn take(view: &Path, session: &mut Session, digest: u8) -> Option<Vec<u8>> {
    let id = session.send(Request::Get { action: action(5) }, b"");
    let Reply::Conditional { scope, candidates } = session.reply() else { panic!("no offer") };
    assert_eq!(scope.as_str(), "module m");
    let files = candidates.iter().map(|one| std::fs::read(view.join("o").join(one.output.id.to_string())).unwrap());
    let files: Vec<_> = files.collect(); // all are there, whichever is the right one
    let held = candidates.iter().position(|one| one.digest == ScopeDigest([digest; 32]));
    let decision = held.map_or(Request::Rejected, |n| Request::Accepted(u8::try_from(n).unwrap()));
    session.tell(id, decision, b"");
    held.map(|n| files[n].clone())
}

#[test]
fn a_client_takes_the_candidate_whose_condition_holds_for_it() {
    let daemon = Daemon::start();
    let bodies = [b"!<arch>\none", b"!<arch>\ntwo"];
    for (digest, body) in (1..).zip(bodies) {
        put_if(&daemon.register(&format!("puts {digest}")), digest, body);
    }
    let view = daemon.register("takes");
    let mut session = Session::open(&view, "/go");
    assert_eq!(take(&view, &mut session, 1).unwrap(), bodies[0]);
    assert_eq!(take(&view, &mut session, 2).unwrap(), bodies[1]);
    assert_eq!(take(&view, &mut session, 3), None);
    wait(&mut session);
    assert_eq!(counts(&daemon, "takes"), (3, 2, 1));
    assert_eq!(build(&daemon, "takes").counts.bytes_served, 22);
    // It puts what it made instead, and takes that the next time.
    put_if(&view, 3, b"!<arch>\nthree");
    assert_eq!(take(&view, &mut session, 3).unwrap(), b"!<arch>\nthree");
    assert_eq!(take(&view, &mut session, 1).unwrap(), bodies[0]);
}

#[test]
fn an_output_that_was_used_without_a_get_counts_as_served_and_is_kept() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    put_all(&one);
    let mut session = Session::open(&two, "/go");
    // A test's result depends on what only a look can tell; the last one is not known.
    session.tell(0, Request::Used(vec![action(2), action(1), action(3)]), b"");
    wait(&mut session);
    assert_eq!(counts(&daemon, "two"), (1, 1, 0));
    assert_eq!(build(&daemon, "two").counts.bytes_served, 8);
}

#[test]
fn a_put_of_the_output_that_others_have_under_a_condition_is_no_conflict() {
    let mut daemon = Daemon::start();
    put_if(&daemon.register("one"), 1, b"!<arch>\nsame");
    let view = daemon.register("two");
    let mut session = Session::open(&view, "/go");
    assert!(matches!(session.put(5, b"!<arch>\nsame"), Reply::Stored { .. }));
    assert_eq!(build(&daemon, "two").counts.conflicts, 0);
    // It is true for this build without a condition.
    assert_eq!(content(&view, session.get(5)), b"!<arch>\nsame");
    assert!(matches!(session.put(5, b"!<arch>\nother"), Reply::Stored { .. }));
    assert_eq!(build(&daemon, "two").counts.conflicts, 1);
    let log = daemon.stop();
    assert_eq!(log.matches("stays private to this build").count(), 1, "{log}");
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
    assert_eq!(take(&view, &mut session, 1).unwrap(), bodies[0]);
    assert_eq!(take(&view, &mut session, 2), None);
    drop(session);
    let log = daemon.stop();
    assert_eq!(log.matches(&output(bodies[1]).to_string()).count(), 2, "once a get: {log}");
}
