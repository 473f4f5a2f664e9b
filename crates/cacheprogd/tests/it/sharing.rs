//! What is put privately, and shared by a notice afterwards: with whom, and what a client cannot share.

use std::path::Path;

use proto::control::Counts;
use proto::wire::{Hello, Reply, Request, Toolchain};
use proto::{Condition, Scope, ScopeDigest, limits, scopes};
use testkit::{Daemon, Session, action, content, output, profile};

const ARCHIVE: &[u8] = b"!<arch>\nwith C";

fn under(scope: Scope, digest: u8) -> Option<Condition> {
    Some(Condition { scope, digest: ScopeDigest([digest; 32]) })
}

fn hello(gocache: &str, only_conditional: bool) -> Hello {
    let toolchain = Toolchain { goroot: "/go".to_owned(), ..Toolchain::default() };
    Hello { gocache: gocache.to_owned(), only_conditional, ..Hello::new(toolchain) }
}

/// A session of a new build.
fn session(daemon: &Daemon, name: &str) -> Session {
    Session::greet(&daemon.register(name), &hello("8:1", false))
}

/// The conditions that are offered for an action, or none.
fn offered(reply: Reply) -> Vec<Condition> {
    match reply {
        Reply::Conditional { candidates } => candidates.into_iter().map(|one| one.condition).collect(),
        Reply::Miss => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn counts(daemon: &Daemon, name: &str) -> Counts {
    daemon.build(name).counts
}

#[test]
fn a_private_put_is_a_hit_for_its_build_and_its_gocache_alone() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut one = Session::greet(&view, &hello("8:1", false));
    assert!(matches!(one.put_private(1, ARCHIVE), Reply::Stored { .. }));
    assert_eq!(content(&view, one.get(1)), ARCHIVE);
    assert_eq!(content(&view, Session::greet(&view, &hello("8:1", true)).get(1)), ARCHIVE, "as GOCACHE has it");
    for gocache in ["8:2", ""] {
        assert_eq!(Session::greet(&view, &hello(gocache, false)).get(1), Reply::Miss, "{gocache}");
    }
    // A GOCACHE that is not known is no GOCACHE of another session.
    let mut unknown = Session::greet(&view, &hello("", false));
    unknown.put_private(2, ARCHIVE);
    assert_eq!(content(&view, unknown.get(2)), ARCHIVE);
    assert_eq!(Session::greet(&view, &hello("", false)).get(2), Reply::Miss);
    assert_eq!(session(&daemon, "two").get(1), Reply::Miss);
    assert_eq!((daemon.status().entries, daemon.status().objects), (0, 0));
}

#[test]
fn a_notice_shares_what_was_put_and_counts_as_its_outcome() {
    let daemon = Daemon::start();
    let mut one = session(&daemon, "one");
    for n in 1..=3 {
        assert_eq!(one.get(n), Reply::Miss);
        one.put_private(n, &[ARCHIVE, &[n]].concat());
    }
    let counted = counts(&daemon, "one");
    assert_eq!((counted.puts, counted.private_puts, counted.private_gets), (3, 3, 3));
    one.share(1, &[ARCHIVE, &[1]].concat(), under(scopes::STD, 7));
    one.share(2, &[ARCHIVE, &[2]].concat(), None);
    one.share(1, &[ARCHIVE, &[1]].concat(), under(scopes::TREE, 7)); // another condition: no further put
    let counted = counts(&daemon, "one");
    assert_eq!((counted.puts, counted.private_puts, counted.private_gets), (3, 1, 1));
    let view = daemon.register("two");
    let mut two = Session::greet(&view, &hello("8:1", false));
    assert_eq!(offered(two.get(1)), [under(scopes::TREE, 7), under(scopes::STD, 7)].map(Option::unwrap));
    assert_eq!(content(&view, two.get(2)), [ARCHIVE, &[2]].concat());
    assert_eq!(two.get(3), Reply::Miss);
    // What it was put for is whose work a hit saves, and the profile has the outcome.
    assert_eq!((daemon.status().entries, daemon.status().objects), (2, 2));
    let profile = profile(&daemon, &daemon.build("one").short).unwrap();
    let fates: Vec<_> = profile["others"].as_array().unwrap().iter().map(|other| other["fate"].clone()).collect();
    assert_eq!(fates, ["shared", "shared", "private"], "{profile}");
}

#[test]
fn a_second_output_under_the_same_condition_is_a_conflict_and_stays_private() {
    let mut daemon = Daemon::start();
    let view = daemon.register("two");
    let bodies: [&[u8]; 2] = [b"!<arch>\none", b"!<arch>\ntwo"];
    let mut sessions = [session(&daemon, "one"), Session::greet(&view, &hello("8:1", false))];
    for (session, body) in sessions.iter_mut().zip(bodies) {
        session.put_private(1, body);
        session.share(1, body, under(scopes::STD, 7));
    }
    assert_eq!((counts(&daemon, "one").conflicts, counts(&daemon, "two").conflicts), (0, 1));
    assert_eq!(content(&view, sessions[1].get(1)), bodies[1]);
    let mut three = session(&daemon, "three");
    let Reply::Conditional { candidates } = three.get(1) else { panic!("no offer") };
    assert_eq!(candidates[0].output.id, output(bodies[0]));
    let log = daemon.stop();
    assert_eq!(log.matches("stays private to this build").count(), 1, "{log}");
}

/// A plain entry is of a go command whose invocation adds nothing; one whose does takes and gives what is under its own scope.
#[test]
fn a_go_command_that_is_not_clean_shares_with_its_own_kind() {
    let daemon = Daemon::start();
    let unclean = |name: &str| Session::greet(&daemon.register(name), &hello("8:1", true));
    let mut clean = session(&daemon, "clean");
    clean.put(1, b"!<arch>\nplain");
    clean.put(2, b"# test log\n");
    clean.put_private(3, ARCHIVE);
    clean.share(3, ARCHIVE, under(scopes::TREE, 1));
    clean.put_private(4, ARCHIVE);
    clean.share(4, ARCHIVE, under(scopes::TREE_WITH_GO, 1)); // not of such a command
    let mut other = unclean("not clean");
    for n in 1..=4 {
        assert_eq!(other.get(n), Reply::Miss, "{n}");
    }
    other.put(5, ARCHIVE); // its claim counts for nothing
    other.put_private(6, ARCHIVE);
    other.share(6, ARCHIVE, None);
    other.put_private(7, ARCHIVE);
    other.share(7, ARCHIVE, under(scopes::TREE, 1));
    other.put_private(8, ARCHIVE);
    other.share(8, ARCHIVE, under(scopes::TREE_WITH_GO, 1));
    let (mut clean, mut other) = (session(&daemon, "clean 2"), unclean("not clean 2"));
    for n in 4..=8 {
        assert_eq!(clean.get(n), Reply::Miss, "{n}");
    }
    assert!((5..=7).all(|n| other.get(n) == Reply::Miss));
    assert_eq!(offered(other.get(8)), [under(scopes::TREE_WITH_GO, 1).unwrap()]);
}

#[test]
fn what_vet_found_is_offered_with_what_it_printed_and_stays_with_it() {
    let daemon = Daemon::start();
    let (facts, printed): (&[u8], &[u8]) = (b"facts", b"x.go:1: a finding\n");
    let printed_of = |n| action(n).subkey("stdout");
    let put_both = |session: &mut Session, digest| {
        session.put_private(1, facts);
        session.share(1, facts, under(scopes::VET, digest));
        let output = proto::Output { id: output(printed), size: printed.len() as u64 };
        session.send(Request::PutPrivate { action: printed_of(1), output }, printed);
        session.reply();
        (printed_of(1), output)
    };
    let mut one = session(&daemon, "one");
    let (stdout, printed_output) = put_both(&mut one, 7);
    assert_eq!(session(&daemon, "too early").get(1), Reply::Miss);
    let share = |digest| Request::Share {
        action: stdout,
        output: printed_output.id,
        condition: under(scopes::VET_OUTPUT, digest),
    };
    one.tell(0, share(8), b""); // of another state of the sources
    one.wait_for_notices();
    assert_eq!(session(&daemon, "other digest").get(1), Reply::Miss);
    one.tell(0, share(7), b"");
    one.wait_for_notices();
    let view = daemon.register("takes");
    let mut takes = Session::greet(&view, &hello("8:1", false));
    let id = takes.send(Request::Get { action: action(1) }, b"");
    assert_eq!(offered(takes.reply()), [under(scopes::VET, 7).unwrap()]);
    takes.tell(id, Request::Accepted(0), b"");
    takes.wait_for_notices();
    // Eviction cannot part the two: the records that others have are gone.
    let records = daemon.state_dir().join("records");
    for entry in std::fs::read_dir(&records).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    takes.send(Request::Get { action: stdout }, b"");
    let reply = takes.reply();
    assert_eq!(content(&view, reply), printed);
    assert_eq!(content(&view, takes.get(1)), facts);
}

#[test]
fn what_vet_found_for_a_go_command_that_is_not_clean_is_not_shared() {
    let daemon = Daemon::start();
    let mut one = Session::greet(&daemon.register("one"), &hello("8:1", true));
    one.put_private(1, b"facts");
    let stdout = proto::Output { id: output(b""), size: 0 };
    one.send(Request::PutPrivate { action: action(1).subkey("stdout"), output: stdout }, b"");
    one.reply();
    one.share(1, b"facts", under(scopes::TREE_WITH_GO, 1));
    assert_eq!(Session::greet(&daemon.register("two"), &hello("8:1", true)).get(1), Reply::Miss);
}

/// Each of these shares nothing, and the session goes on.
#[test]
fn a_build_shares_nothing_that_it_did_not_put() {
    let mut daemon = Daemon::start();
    let (other, mut hostile) = (daemon.register("other"), session(&daemon, "hostile"));
    let mut honest = Session::greet(&other, &hello("8:1", false));
    honest.put_private(1, ARCHIVE);
    honest.put(2, b"!<arch>\nof all");
    hostile.share(1, ARCHIVE, None); // another build's
    hostile.share(2, b"!<arch>\nof all", under(scopes::STD, 1)); // everyone's
    hostile.share(3, ARCHIVE, None); // never put
    hostile.put_private(4, ARCHIVE);
    hostile.share(4, b"!<arch>\nof all", None); // another output
    hostile.share(4, ARCHIVE, under(scopes::PRIVATE, 1));
    for (n, body) in (5..).zip([
        b"go index v2\nabc".as_slice(),
        b"PASS\nok  \tm\t0.01s\n",
        b"mode: set\n",
        b"nix-gocacheprog test inputs 3 x\n",
    ]) {
        hostile.put_private(n, body);
        hostile.share(n, body, None);
        hostile.share(n, body, under(scopes::TREE, 1));
    }
    hostile.put_private(9, b"# test log\n");
    hostile.share(9, b"# test log\n", under(scopes::TREE, 1)); // a log has no condition
    let mut looks = session(&daemon, "looks");
    for n in (1..10).filter(|&n| n != 2) {
        assert_eq!(looks.get(n), Reply::Miss, "{n}");
    }
    assert_eq!(daemon.status().entries, 1);
    assert_eq!(counts(&daemon, "hostile").private_puts, 6);
    let log = daemon.stop();
    let warnings = log.lines().filter(|line| line.starts_with("build hostile (") && !line.ends_with("registered"));
    assert!((1..=11).contains(&warnings.count()), "{log}");
}

/// The test's own user is the daemon's: what it has is a copy, to which it can write.
#[test]
fn what_a_build_wrote_to_after_its_put_is_not_shared() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut one = Session::greet(&view, &hello("8:1", false));
    let body = [ARCHIVE, &[7; 100_000]].concat();
    one.put_private(1, &body);
    let path = view.join("o").join(output(&body).to_string());
    let times = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, vec![b'x'; body.len()]).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
    one.share(1, &body, None);
    assert_eq!(session(&daemon, "two").get(1), Reply::Miss);
    assert_eq!(daemon.status().objects, 0);
}

#[test]
fn the_conditions_of_an_action_are_bounded_and_so_is_what_is_left_by_parts() {
    let daemon = Daemon::start();
    let mut one = session(&daemon, "one");
    one.put_private(1, ARCHIVE);
    for digest in 0..40 {
        one.share(1, ARCHIVE, under(scopes::STD, digest));
    }
    assert_eq!(offered(session(&daemon, "two").get(1)).len(), limits::CONDITIONS);
    let parts = |n: u32, bytes: usize| {
        let digest = ScopeDigest(std::array::from_fn(|i| n.to_le_bytes()[i % 4]));
        Request::Parts { condition: Condition { scope: scopes::TREE, digest }, parts: vec![b'x'; bytes] }
    };
    one.tell(0, parts(0, limits::PARTS), b"");
    for n in 1..10_000 {
        one.tell(0, parts(n, 3), b"");
    }
    one.tell(0, parts(1, 7), b"");
    one.wait_for_notices();
    let kept = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    let sizes: Vec<_> = kept(&daemon.state_dir().join("conditions")).collect();
    assert!((2048..=4096).contains(&sizes.len()), "{}", sizes.len());
    assert_eq!(sizes.iter().sum::<u64>(), limits::PARTS as u64 + 3 * (sizes.len() as u64 - 1), "the first ones stay");
    // More than a frame may hold ends the session.
    let mut frame = Vec::new();
    parts(0, limits::PARTS).write(1, &mut frame);
    let length = frame.len() - limits::PARTS - 4;
    frame[length..length + 4].copy_from_slice(&(limits::PARTS as u32 + 1).to_le_bytes());
    std::io::Write::write_all(&mut one.stream, &frame).unwrap();
    assert!(one.is_over());
    assert_eq!(offered(session(&daemon, "three").get(1)).len(), limits::CONDITIONS);
}

/// A machine that builds many programs in turn has an entry of each: what one has used is not lost for the next ones.
#[test]
fn of_many_conditions_those_that_are_likely_are_offered() {
    let daemon = Daemon::start();
    for digest in 0..20 {
        let mut one = session(&daemon, &format!("program {}", digest % 10));
        one.put_private(1, ARCHIVE);
        one.share(1, ARCHIVE, under(scopes::STD, digest));
        one.put_private(2, ARCHIVE);
        one.share(2, ARCHIVE, under(scopes::STD, digest));
    }
    let digests = |reply| offered(reply).iter().map(|one| one.digest.0[0]).collect::<Vec<_>>();
    let mut other = session(&daemon, "other");
    assert_eq!(digests(other.get(1)), [19, 18, 17, 16, 15, 14, 13, 12]);
    let mut third = session(&daemon, "program 3");
    let id = third.send(Request::Get { action: action(1) }, b"");
    assert_eq!(digests(third.reply()), [13, 3, 19, 18, 17, 16, 15, 14]);
    third.tell(id, Request::Accepted(1), b"");
    third.wait_for_notices();
    assert_eq!(digests(third.get(2)), [3, 13, 19, 18, 17, 16, 15, 14], "it has that condition");
    // And it is one of the newest now.
    assert_eq!(digests(other.get(1)), [3, 19, 18, 17, 16, 15, 14, 13]);
}

#[test]
fn what_was_put_before_a_restart_is_shared_after_it() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    Session::greet(&view, &hello("8:1", false)).put_private(1, ARCHIVE);
    daemon.kill();
    daemon.start_again();
    Session::greet(&view, &hello("8:1", false)).share(1, ARCHIVE, under(scopes::STD, 1));
    assert_eq!(offered(session(&daemon, "two").get(1)).len(), 1);
}
