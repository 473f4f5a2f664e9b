use proto::Output;
use proto::wire::{Refusal, Reply, Request};
use testkit::{Daemon, Session, action, content, output};

#[test]
fn one_build_puts_and_the_next_gets() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    let mut putter = Session::open(&one, "/go");
    for (n, body) in [(1u8, vec![]), (2, vec![2; 10]), (3, vec![3; 1 << 20])] {
        assert_eq!(putter.get(n), Reply::Miss);
        assert!(matches!(putter.put(n, &body), Reply::Stored { .. }));
        assert_eq!(
            std::fs::read(one.join("o").join(output(&body).to_string())).unwrap(),
            body,
            "the putter has its path"
        );
        assert_eq!(content(&one, Session::open(&one, "/go").get(n)), body);
        assert_eq!(content(&two, Session::open(&two, "/go").get(n)), body);
    }
}

#[test]
fn each_request_is_answered_under_its_id_however_many_are_sent_at_once() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for n in 0..100 {
        let body = vec![n; usize::from(n) * 1000];
        session.send(
            Request::Put { action: action(n), output: Output { id: output(&body), size: body.len() as u64 } },
            &body,
        );
        session.send(Request::Get { action: action(n) }, b"");
        session.send(Request::Get { action: action(n + 100) }, b"");
    }
    for n in 0..100u8 {
        assert!(matches!(session.reply(), Reply::Stored { .. }));
        assert_eq!(content(&view, session.reply()), vec![n; usize::from(n) * 1000]);
        assert_eq!(session.reply(), Reply::Miss);
    }
}

#[test]
fn module_indexes_and_test_results_stay_private_to_the_build_that_put_them() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    let bodies = [b"go index v2\nabc".as_slice(), b"PASS\nok  \tm\t0.01s\n", b"mode: set\n"];
    for (n, body) in (1..).zip(bodies) {
        assert!(matches!(Session::open(&one, "/go").put(n, body), Reply::Stored { .. }));
        assert_eq!(content(&one, Session::open(&one, "/go").get(n)), body, "another go command of the build");
        assert_eq!(Session::open(&two, "/go").get(n), Reply::Miss);
    }
    assert_eq!(daemon.status().entries, 0);
    assert_eq!(daemon.status().objects, 0);
}

#[test]
fn a_test_result_is_served_with_the_list_it_was_put_with() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("one"), daemon.register("two"));
    let mut session = Session::open(&one, "/go");
    let mut put = |log: &[u8], list: &[u8], result: &[u8]| {
        session.put(1, log);
        let (inputs, size) = (list.len() as u64, result.len() as u64);
        let request = Request::PutTest { action: action(2), output: Output { id: output(result), size }, inputs };
        session.send(request, &[list, result].concat());
        assert!(matches!(session.reply(), Reply::Stored { .. }));
    };
    put(b"# test log\nopen a\n", b"nix-gocacheprog test inputs 1 a\n", b"ok  \tm\t0.01s\n");
    // The test ran again, and looked at something else.
    put(b"# test log\nopen b\n", b"nix-gocacheprog test inputs 1 b\n", b"ok  \tm\t0.02s\n");
    let mut other = Session::open(&two, "/go");
    assert_eq!(content(&two, other.get(1)), b"# test log\nopen b\n");
    let Reply::HitIf { inputs, output: result, .. } = other.get(2) else { panic!("no result") };
    assert_eq!(result, Output { id: output(b"ok  \tm\t0.02s\n"), size: 13 });
    assert_eq!(std::fs::read(two.join("o").join(inputs.to_string())).unwrap(), b"nix-gocacheprog test inputs 1 b\n");
    assert_eq!(std::fs::read(two.join("o").join(result.id.to_string())).unwrap(), b"ok  \tm\t0.02s\n");
    // Without its list a result is nothing.
    std::fs::remove_file(daemon.state_dir().join(store::Store::object_name(&inputs))).unwrap();
    let three = daemon.register("three");
    assert_eq!(Session::open(&three, "/go").get(2), Reply::Miss);
}

#[test]
fn toolchains_share_nothing() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    Session::open(&view, "/nix/store/a-go").put(1, b"body");
    assert_eq!(Session::open(&view, "/nix/store/b-go").get(1), Reply::Miss);
    assert_eq!(content(&view, Session::open(&view, "/nix/store/a-go").get(1)), b"body");
}

#[test]
fn of_two_outputs_the_first_is_shared_and_each_build_keeps_its_own() {
    let daemon = Daemon::start();
    let views = ["one", "two", "three"].map(|name| daemon.register(name));
    let mut sessions = views.each_ref().map(|view| Session::open(view, "/go"));
    sessions[0].put(1, b"!<arch>\nfirst");
    assert!(matches!(sessions[1].put(1, b"!<arch>\nsecond"), Reply::Stored { .. }));
    assert_eq!(content(&views[0], sessions[0].get(1)), b"!<arch>\nfirst");
    assert_eq!(content(&views[1], sessions[1].get(1)), b"!<arch>\nsecond");
    assert_eq!(content(&views[2], sessions[2].get(1)), b"!<arch>\nfirst");
    let counted = |name: &str| daemon.status().builds.live.into_iter().find(|build| build.name == name).unwrap().counts;
    assert_eq!((counted("one").conflicts, counted("two").conflicts), (0, 1));
}

#[test]
fn a_put_whose_body_is_not_its_output_is_refused_and_the_session_goes_on() {
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for size in [4usize, 1 << 20] {
        let body = vec![1; size];
        session.send(
            Request::Put { action: action(1), output: Output { id: output(b"other"), size: size as u64 } },
            &body,
        );
        assert_eq!(session.reply(), Reply::Refused(Refusal::Digest));
        assert_eq!(session.get(1), Reply::Miss);
    }
    assert_eq!(daemon.status().objects, 0);
}

#[test]
fn the_status_has_the_counts_of_each_build() {
    let daemon = Daemon::start();
    let (one, two) = (daemon.register("caddy-2.10"), daemon.register("two"));
    let mut putter = Session::open(&one, "/go");
    putter.get(1);
    std::thread::sleep(std::time::Duration::from_millis(30)); // the compile
    putter.put(1, b"!<arch>\nbody");
    putter.get(1);
    let mut getter = Session::open(&two, "/go");
    getter.get(1);
    getter.get(1); // the second time would have come from the build's own GOCACHE
    let status = daemon.status();
    assert_eq!((status.entries, status.objects, status.bytes), (1, 1, 2 * 4096));
    let counts = |name: &str| status.builds.live.iter().find(|build| build.name == name).unwrap().counts;
    let (put, got) = (counts("caddy-2.10"), counts("two"));
    assert_eq!((put.gets, put.hits, put.puts, put.bytes_put, put.saved_milliseconds), (2, 1, 1, 12, 0));
    assert_eq!((got.gets, got.hits, got.puts, got.bytes_served), (2, 2, 0, 12));
    assert!((30..20_000).contains(&got.saved_milliseconds), "{got:?}");
}

#[test]
fn a_build_under_the_daemons_own_user_gets_copies() {
    // The test runs as the daemon does, so its sessions are such.
    use std::os::unix::fs::MetadataExt;
    let daemon = Daemon::start();
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    session.put(1, b"body");
    let shown = view.join("o").join(output(b"body").to_string());
    assert_eq!(std::fs::metadata(&shown).unwrap().nlink(), 1);
    std::fs::remove_file(&shown).unwrap();
    std::fs::write(&shown, b"evil").unwrap();
    let other = daemon.register("two");
    assert_eq!(content(&other, Session::open(&other, "/go").get(1)), b"body");
}
