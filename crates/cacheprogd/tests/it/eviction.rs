use std::time::Duration;

use proto::wire::Reply;

use crate::daemon::Daemon;
use crate::{Session, output};

const LARGE: usize = 20 << 20;

fn body(n: u8) -> Vec<u8> {
    vec![n; LARGE]
}

/// Waits until it is so, for ten seconds.
fn becomes(mut is_so: impl FnMut() -> bool) -> bool {
    (0..200).any(|_| {
        is_so() || {
            std::thread::sleep(Duration::from_millis(50));
            false
        }
    })
}

#[test]
fn a_daemon_keeps_within_its_limit_while_a_build_goes_on() {
    let mut daemon = Daemon::start_with(&["--max-size", "64MiB", "--min-free", "1%"]);
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for n in 0..5 {
        assert!(matches!(session.put(n, &body(n)), Reply::Stored { .. }));
    }
    assert_eq!(daemon.status().max_bytes, Some(64 << 20));
    assert!(becomes(|| daemon.status().eviction.is_some()), "{:?}", daemon.status());
    let status = daemon.status();
    // What was put in the moment of the look keeps its object until the next one.
    assert!(status.bytes <= 85 << 20 && status.entries < 5, "{status:?}");
    assert_eq!(status.eviction.unwrap().entries, 5 - status.entries);
    // What the build was told of is there, evicted or not; what went is a miss to others.
    for n in 0..5 {
        assert_eq!(std::fs::read(view.join("o").join(output(&body(n)).to_string())).unwrap(), body(n));
    }
    let other = daemon.register("two");
    let mut session = Session::open(&other, "/go");
    let hits = (0..5).filter(|&n| session.get(n) != Reply::Miss).count() as u64;
    assert_eq!(hits, status.entries);
    // The count is kept over a stop, and over a kill it is found again.
    daemon.stop();
    daemon.start_again();
    assert_eq!((daemon.status().entries, daemon.status().bytes), (status.entries, status.bytes));
    session = Session::open(&other, "/go");
    assert!(matches!(session.put(9, b"one more"), Reply::Stored { .. }));
    daemon.kill();
    daemon.start_again();
    assert!(becomes(|| daemon.status().entries == status.entries + 1), "{:?}", daemon.status());
}
