use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use proto::wire::Request;

use crate::scripted_daemon::{Daemon, HELD, Manner, decisions};
use crate::fake_go::Go;

fn start(dir: &Path, socket: &str) -> Go {
    Go::start(dir, &[], &[("NIX_GOCACHEPROG_SOCKET", socket)])
}

fn spool(dir: &Path) -> String {
    dir.join("gocache/00/nix-gocacheprog-spool").to_str().unwrap().to_owned()
}

const BODIES: [&[u8]; 4] = [b"", b"x", &[7; 65_537], &[9; 3_000_001]];

#[test]
fn a_good_daemon_serves() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Good);
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

/// Whatever the daemon does, each request is answered as by a cache without hits, what was put is found again by this
/// and the next process, and nothing waits for long.
fn survives(manner: Option<Manner>, at_most: Duration) {
    let dir = tempfile::tempdir().unwrap();
    let daemon = manner.map(|manner| Daemon::start(dir.path(), manner));
    let socket = daemon.as_ref().map_or("/nowhere/at/all".to_owned(), Daemon::socket);
    let began = Instant::now();
    let mut go = start(dir.path(), &socket);
    for (n, body) in BODIES.iter().enumerate() {
        assert_eq!(go.get(n as u8), None, "{manner:?}");
        go.put(n as u8, body);
        assert_eq!(go.get(n as u8).unwrap(), *body, "read your writes");
    }
    go.finish();
    assert!(began.elapsed() < at_most, "{manner:?}: {:?}", began.elapsed());
    let mut go = start(dir.path(), &socket);
    for (n, body) in BODIES.iter().enumerate() {
        assert_eq!(go.get(n as u8).unwrap(), *body, "{manner:?}: the spool serves the next process");
    }
    go.finish();
}

// The bounds are deadlines of the client with much room, not figures of speed.

#[test]
fn no_daemon_at_all() {
    survives(None, Duration::from_secs(20));
}

#[test]
fn a_daemon_that_never_says_hello() {
    survives(Some(Manner::Mute), Duration::from_secs(30));
}

#[test]
fn a_daemon_that_hangs_again_and_again_costs_few_waits() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Deaf);
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
fn go_may_leave_while_an_answer_is_owed() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Deaf);
    let began = Instant::now();
    let mut go = start(dir.path(), &daemon.socket());
    let id = go.ask_get(1);
    go.leave();
    assert_eq!(go.answer(id)["Miss"], true);
    go.finish();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_silent_daemon_is_waited_for_once_by_all_clients_of_a_build() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Mute);
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
fn a_daemon_that_never_answers() {
    survives(Some(Manner::Deaf), Duration::from_secs(60));
}

#[test]
fn a_daemon_of_another_version() {
    survives(Some(Manner::Newer), Duration::from_secs(20));
}

#[test]
fn a_daemon_of_the_last_version_that_does_not_say_so() {
    survives(Some(Manner::Older), Duration::from_secs(20));
}

#[test]
fn a_daemon_that_hangs_up_at_once() {
    survives(Some(Manner::Quits(0)), Duration::from_secs(30));
}

#[test]
fn a_daemon_whose_disk_is_full() {
    survives(Some(Manner::Full), Duration::from_secs(20));
}

#[test]
fn a_daemon_that_talks_nonsense() {
    survives(Some(Manner::Garbage), Duration::from_secs(30));
}

#[test]
fn hits_without_a_file_are_misses() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Lies);
    let mut go = start(dir.path(), &daemon.socket());
    assert_eq!(go.get(1), None);
    go.finish();
}

#[test]
fn a_daemon_that_dies_with_requests_under_way() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Quits(7));
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
    let again = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        daemon.sessions.load(SeqCst) > 1
    });
    assert!(again, "it connected again");
    go.finish();
}

/// An answer that does not come delays its request alone, and when it comes after all nobody is harmed by it.
#[test]
fn a_late_answer_is_not_a_dead_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Holds);
    let mut go = start(dir.path(), &daemon.socket());
    let view = daemon.view.to_str().unwrap();
    let (get, put) = (go.ask_get(HELD), go.ask_put(HELD, b"held"));
    // Later requests are answered by the daemon, before these two and after they were answered without it.
    for round in 0..3u8 {
        assert!(go.put(round, &[round; 100]).starts_with(view));
        assert_eq!(go.get(round + 50), None);
        if round == 1 {
            assert_eq!(go.answer(get)["Miss"], true);
            assert!(go.stored(put).starts_with(&spool(dir.path())), "what is late is kept here");
        } else if round == 2 {
            assert_eq!(daemon.release(), 2);
        }
    }
    assert!(go.put(3, b"after").starts_with(view));
    assert_eq!(go.get(HELD).unwrap(), b"held", "read your writes");
    assert_eq!(daemon.sessions.load(SeqCst), 1, "it was never given up");
    go.finish();
    let told = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        daemon.alone.load(SeqCst) == 2
    });
    assert!(told, "the daemon is told of both");
}

#[test]
fn a_daemon_that_is_late_again_and_again_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Holds);
    let mut go = start(dir.path(), &daemon.socket());
    let late = [go.ask_get(HELD), go.ask_get(HELD), go.ask_get(HELD), go.ask_get(HELD)];
    for id in late {
        assert_eq!(go.answer(id)["Miss"], true);
    }
    assert!(go.put(1, b"body").starts_with(&spool(dir.path())));
    go.finish();
}

/// While a body is sent no request of cmd/go's is read, so that a daemon that takes it in slowly would hold everything up.
#[test]
fn a_daemon_that_takes_a_large_body_in_slowly_keeps_nothing_else_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Trickles);
    let mut go = start(dir.path(), &daemon.socket());
    let body = vec![7; 30_000_000]; // at that pace two minutes
    let put = go.ask_put(1, &body);
    let get = go.ask_get(2);
    assert_eq!(go.answer(get)["Miss"], true);
    assert!(daemon.trickled.load(SeqCst) < body.len(), "it was answered before all of the body was sent");
    assert!(go.stored(put).starts_with(&spool(dir.path())));
    assert_eq!(go.get(1).unwrap(), body);
    go.finish();
}

#[test]
fn what_is_offered_under_a_condition_is_a_miss_and_the_daemon_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Offers);
    let mut go = start(dir.path(), &daemon.socket());
    assert_eq!(go.get(1), None);
    assert_eq!(go.get(2), None);
    go.finish();
    assert_eq!(decisions(&daemon, 2), [Request::Rejected, Request::Rejected]);
}

#[test]
fn what_was_spooled_is_handed_on_when_the_daemon_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("view/sock");
    let mut go = start(dir.path(), socket.to_str().unwrap());
    let paths: Vec<_> = BODIES.iter().enumerate().map(|(n, body)| go.put(n as u8, body)).collect();
    assert!(paths.iter().all(|path| path.starts_with(&spool(dir.path()))));
    let daemon = Daemon::start(dir.path(), Manner::Good);
    let back = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10)); // the client tries again within two seconds
        go.put(50, b"after").starts_with(daemon.view.to_str().unwrap())
    });
    assert!(back);
    go.finish();
    let told = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        daemon.alone.load(SeqCst) >= BODIES.len()
    });
    assert!(told, "the daemon is told how much was done without it");
    let mut go = start(dir.path(), &daemon.socket());
    let handed_on = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        (0..BODIES.len()).all(|n| daemon.has(n as u8))
    });
    assert!(handed_on);
    go.get(0);
    go.finish();
    assert!(paths.iter().all(|path| Path::new(path).exists()), "paths told to cmd/go stay valid");
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
    let daemon = Daemon::start(dir.path(), Manner::Mute); // after which there is a note as well
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

/// All that is in a GOCACHE but its 256 directories and what go writes beside them.
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

/// Outside of sandboxes nobody removes a spool: it is kept within limits like a store of the user's.
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
    assert_eq!(records().len(), 1, "what nobody used for two months is gone");
}
