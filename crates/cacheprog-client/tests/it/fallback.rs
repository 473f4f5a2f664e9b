use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use proto::wire::Request;

use crate::fake_go::Go;
use crate::scripted_daemon::{Behaviour, DELAYED, Daemon, decisions};
use crate::soon;

fn start(dir: &Path, socket: &str) -> Go {
    Go::start(dir, &[], &[("NIX_GOCACHEPROG_SOCKET", socket)])
}

fn spool(dir: &Path) -> String {
    dir.join("gocache/00/nix-gocacheprog-spool").to_str().unwrap().to_owned()
}

const BODIES: [&[u8]; 4] = [b"", b"x", &[7; 65_537], &[9; 3_000_001]];

#[test]
fn a_correct_daemon_serves() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::Correct);
    let mut go = start(dir.path(), &daemon.socket());
    for (n, body) in BODIES.iter().enumerate() {
        assert_eq!(go.get(n as u8), None);
        assert!(go.put(n as u8, body).starts_with(daemon.view.to_str().unwrap()));
    }
    go.finish();
    let mut go = start(dir.path(), &daemon.socket());
    for (n, body) in BODIES.iter().enumerate() {
        assert_eq!(go.get(n as u8).unwrap(), *body);
    }
    go.finish();
    assert!(!Path::new(&spool(dir.path())).exists(), "nothing was spooled");
}

/// Checks what a client promises with any daemon: each request is answered as by a cache without hits, this and the next process
/// find what was put, and no request waits for long.
fn answers_every_request_with(behaviour: Option<Behaviour>, at_most: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let daemon = behaviour.map(|behaviour| Daemon::start(dir.path(), behaviour));
    let socket = daemon.as_ref().map_or("/nowhere/at/all".to_owned(), Daemon::socket);
    let began = Instant::now();
    let mut go = start(dir.path(), &socket);
    for (n, body) in BODIES.iter().enumerate() {
        assert_eq!(go.get(n as u8), None, "{behaviour:?}");
        go.put(n as u8, body);
        assert_eq!(go.get(n as u8).unwrap(), *body, "read your writes");
    }
    go.finish();
    assert!(began.elapsed() < at_most, "{behaviour:?}: {:?}", began.elapsed());
    let mut go = start(dir.path(), &socket);
    for (n, body) in BODIES.iter().enumerate() {
        assert_eq!(go.get(n as u8).unwrap(), *body, "{behaviour:?}: the spool serves the next process");
    }
    go.finish();
}

// The bounds are deadlines of the client with much room, not figures of speed.

#[test]
fn without_a_daemon_every_request_is_answered() {
    answers_every_request_with(None, Duration::from_secs(20));
}

#[test]
fn with_a_daemon_that_sends_no_hello_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::NoHello), Duration::from_secs(30));
}

#[test]
fn a_daemon_that_hangs_repeatedly_costs_few_waits() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::NoReplies);
    let began = Instant::now();
    let mut go = start(dir.path(), &daemon.socket());
    for _ in 0..40 {
        assert_eq!(go.get(1), None);
        std::thread::sleep(Duration::from_millis(120));
    }
    go.finish();
    // 40 waits of two seconds would be 80; the pauses alone are five.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

#[test]
fn go_may_end_while_an_answer_is_outstanding() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::NoReplies);
    let began = Instant::now();
    let mut go = start(dir.path(), &daemon.socket());
    let id = go.ask_get(1);
    go.close_input();
    assert_eq!(go.answer(id)["Miss"], true);
    go.finish();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn only_one_client_of_a_build_waits_for_a_daemon_that_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::NoHello);
    let began = Instant::now();
    for n in 0..12 {
        let mut go = start(dir.path(), &daemon.socket());
        go.put(n, b"body");
        go.finish();
    }
    // Twelve waits would be twelve seconds.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn with_a_daemon_that_never_replies_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::NoReplies), Duration::from_secs(60));
}

#[test]
fn with_a_daemon_of_a_newer_version_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::NewerVersion), Duration::from_secs(20));
}

#[test]
fn with_a_daemon_of_an_older_version_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::OlderVersion), Duration::from_secs(20));
}

#[test]
fn with_a_daemon_that_disconnects_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::Disconnects(0)), Duration::from_secs(30));
}

#[test]
fn with_a_daemon_whose_disk_is_full_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::StorageFull), Duration::from_secs(20));
}

#[test]
fn with_a_daemon_that_sends_garbage_every_request_is_answered() {
    answers_every_request_with(Some(Behaviour::Garbage), Duration::from_secs(30));
}

#[test]
fn hits_without_a_file_are_misses() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::MissingFiles);
    let mut go = start(dir.path(), &daemon.socket());
    assert_eq!(go.get(1), None);
    go.finish();
}

#[test]
fn when_a_daemon_dies_its_requests_are_answered_and_the_client_connects_again() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::Disconnects(7));
    let mut go = start(dir.path(), &daemon.socket());
    for round in 0..20u8 {
        let body = vec![round; 200_000];
        let ids = [go.ask_get(100 + round), go.ask_put(round, &body), go.ask_put(200, b""), go.ask_get(150 + round)];
        assert_eq!(go.answer(ids[0])["Miss"], true);
        assert_eq!(std::fs::read(go.stored(ids[1])).unwrap(), body);
        go.stored(ids[2]);
        assert_eq!(go.answer(ids[3])["Miss"], true);
        assert_eq!(go.get(round).unwrap(), body);
    }
    let again = soon(|| daemon.sessions.load(SeqCst) > 1);
    assert!(again, "it connected again");
    go.finish();
}

/// A reply that is missing delays only its request, and a reply that comes late after all is dropped.
#[test]
fn a_late_reply_does_not_end_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::DelaysReplies);
    let mut go = start(dir.path(), &daemon.socket());
    let view = daemon.view.to_str().unwrap();
    let (get, put) = (go.ask_get(DELAYED), go.ask_put(DELAYED, b"delayed"));
    // The daemon answers later requests, before and after these two were answered without it.
    for round in 0..3u8 {
        assert!(go.put(round, &[round; 100]).starts_with(view));
        assert_eq!(go.get(round + 50), None);
        if round == 1 {
            assert_eq!(go.answer(get)["Miss"], true);
            assert!(go.stored(put).starts_with(&spool(dir.path())), "a late put is kept in the spool");
        } else if round == 2 {
            assert_eq!(daemon.release(), 2);
        }
    }
    assert!(go.put(3, b"after").starts_with(view));
    assert_eq!(go.get(DELAYED).unwrap(), b"delayed", "read your writes");
    assert_eq!(daemon.sessions.load(SeqCst), 1, "it was never given up");
    go.finish();
    let was_reported = soon(|| daemon.unanswered.load(SeqCst) == 2);
    assert!(was_reported, "the daemon is told of both");
}

#[test]
fn a_daemon_that_is_late_repeatedly_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::DelaysReplies);
    let mut go = start(dir.path(), &daemon.socket());
    let late = [go.ask_get(DELAYED), go.ask_get(DELAYED), go.ask_get(DELAYED), go.ask_get(DELAYED)];
    for id in late {
        assert_eq!(go.answer(id)["Miss"], true);
    }
    assert!(go.put(1, b"body").starts_with(&spool(dir.path())));
    go.finish();
}

/// While a body is sent, cmd/go's next request is not read: a daemon that reads slowly would delay all of them.
#[test]
fn a_daemon_that_reads_a_large_body_slowly_delays_no_other_request() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::ReadsSlowly);
    let mut go = start(dir.path(), &daemon.socket());
    let body = vec![7; 30_000_000]; // two minutes at that speed
    let put = go.ask_put(1, &body);
    let get = go.ask_get(2);
    assert_eq!(go.answer(get)["Miss"], true);
    assert!(daemon.read_slowly.load(SeqCst) < body.len(), "it was answered before all of the body was sent");
    assert!(go.stored(put).starts_with(&spool(dir.path())));
    assert_eq!(go.get(1).unwrap(), body);
    go.finish();
}

#[test]
fn a_conditional_offer_is_a_miss_and_the_daemon_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::OffersConditionally);
    let mut go = start(dir.path(), &daemon.socket());
    assert_eq!(go.get(1), None);
    assert_eq!(go.get(2), None);
    go.finish();
    assert_eq!(decisions(&daemon, 2), [Request::Rejected, Request::Rejected]);
}

#[test]
fn the_spool_is_flushed_when_the_daemon_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("view/sock");
    let mut go = start(dir.path(), socket.to_str().unwrap());
    let paths: Vec<_> = BODIES.iter().enumerate().map(|(n, body)| go.put(n as u8, body)).collect();
    assert!(paths.iter().all(|path| path.starts_with(&spool(dir.path()))));
    let daemon = Daemon::start(dir.path(), Behaviour::Correct);
    // The client tries again within two seconds.
    let back = soon(|| go.put(50, b"after").starts_with(daemon.view.to_str().unwrap()));
    assert!(back);
    go.finish();
    let was_reported = soon(|| daemon.unanswered.load(SeqCst) >= BODIES.len());
    assert!(was_reported, "the daemon is told how much was done without it");
    let mut go = start(dir.path(), &daemon.socket());
    let was_flushed = soon(|| (0..BODIES.len()).all(|n| daemon.has(n as u8)));
    assert!(was_flushed);
    go.get(0);
    go.finish();
    assert!(paths.iter().all(|path| Path::new(path).exists()), "paths that cmd/go knows stay valid");
}

#[test]
fn with_no_room_for_the_spool_puts_are_still_answered() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("gocache/00")).unwrap();
    std::fs::write(spool(dir.path()), "in the way").unwrap();
    let mut go = start(dir.path(), "/nowhere/at/all");
    for body in BODIES {
        let id = go.ask_put(1, body);
        go.stored(id);
        assert_eq!(go.get(1), None);
    }
    go.finish();
}

/// Removes what `go clean -cache` removes: with the go command, where there is one.
fn go_clean_cache(gocache: &Path) {
    let go =
        std::process::Command::new("go").args(["clean", "-cache"]).env("GOCACHE", gocache).env("GOENV", "off").status();
    match go {
        Ok(status) => assert!(status.success()),
        // cmd/go/internal/clean/clean.go `runClean`: the directories of two hexadecimal digits.
        Err(_) => (0..=255).for_each(|n| drop(std::fs::remove_dir_all(gocache.join(format!("{n:02x}"))))),
    }
}

#[test]
fn go_clean_cache_leaves_nothing_of_ours_behind() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store"), "no store").unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::NoHello); // it leaves the circuit breaker's file as well
    let session = [("NIX_GOCACHEPROG_SESSION", "/nowhere/at/all")];
    let store = ["--store", dir.path().join("store").to_str().unwrap()].map(str::to_owned);
    for start in [
        &|| start(dir.path(), "/nowhere/at/all") as Go,
        &|| start(dir.path(), &daemon.socket()),
        &|| Go::start(dir.path(), &[], &session),
        &|| Go::start(dir.path(), &store.each_ref().map(String::as_str), &[]),
    ] as [&dyn Fn() -> Go; 4]
    {
        let mut go = start();
        go.put(1, b"spooled");
        go.finish();
        let gocache = dir.path().join("gocache");
        assert_ne!(names(&gocache), Vec::<String>::new(), "there is a spool");
        go_clean_cache(&gocache);
        assert_eq!(names(&gocache), Vec::<String>::new());
    }
}

/// The names in a GOCACHE, except its 256 directories and the files that the go command writes there.
fn names(gocache: &Path) -> Vec<String> {
    let inside = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let (dirs, files): (Vec<_>, Vec<_>) = inside(gocache).into_iter().partition(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.len() == 2 && u8::from_str_radix(name, 16).is_ok()
    });
    let ours = files.into_iter().chain(dirs.iter().flat_map(|dir| inside(dir)));
    let names = ours.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| !["README", "trim.txt", "testexpire.txt"].contains(&name.as_str())).collect()
}

/// Outside of sandboxes no build's end removes a spool: it is kept within limits like an embedded store.
#[test]
fn once_a_day_the_spool_of_a_session_is_brought_within_its_limits() {
    let dir = tempfile::tempdir().unwrap();
    let run = |action: u8| {
        let mut go = Go::start(dir.path(), &[], &[("NIX_GOCACHEPROG_SESSION", "/nowhere/at/all")]);
        go.put(action, &[action]);
        go.finish();
    };
    let spool = std::path::PathBuf::from(spool(dir.path()));
    let records = || crate::embedded::files(&spool.join("records"));
    run(1);
    run(2);
    assert_eq!(records().len(), 2);
    let long_ago = std::time::SystemTime::now() - Duration::from_secs(61 * 24 * 3600);
    let age = |path: &Path| std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap();
    records().iter().for_each(|record| age(record));
    age(&spool.join("tended"));
    run(3);
    assert_eq!(records().len(), 1, "an entry that was not used for two months is evicted");
}
