use std::time::Duration;

use proto::wire::Reply;
use testkit::{Daemon, Session, output};

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
fn a_daemon_keeps_within_its_size_limit_while_a_build_runs() {
    let mut daemon = Daemon::start_with(&["--max-size", "64MiB", "--min-free", "1%"]);
    let view = daemon.register("one");
    let mut session = Session::open(&view, "/go");
    for n in 0..5 {
        assert!(matches!(session.put(n, &body(n)), Reply::Stored { .. }));
    }
    assert_eq!(daemon.status().max_bytes, Some(64 << 20));
    assert!(becomes(|| daemon.status().eviction.is_some()), "{:?}", daemon.status());
    let status = daemon.status();
    // What was put during the scan keeps its object until the next one.
    assert!(status.bytes <= 85 << 20 && status.entries < 5, "{status:?}");
    assert_eq!(status.eviction.unwrap().entries, 5 - status.entries);
    // The outputs that the build got are still there, evicted or not; evicted ones are misses for other builds.
    for n in 0..5 {
        assert_eq!(std::fs::read(view.join("o").join(output(&body(n)).to_string())).unwrap(), body(n));
    }
    let other = daemon.register("two");
    let mut session = Session::open(&other, "/go");
    let hits = (0..5).filter(|&n| session.get(n) != Reply::Miss).count() as u64;
    assert_eq!(hits, status.entries);
    // The counters survive a stop, and after a kill they are counted again.
    daemon.stop();
    daemon.start_again();
    assert_eq!((daemon.status().entries, daemon.status().bytes), (status.entries, status.bytes));
    session = Session::open(&other, "/go");
    assert!(matches!(session.put(9, b"one more"), Reply::Stored { .. }));
    daemon.kill();
    daemon.start_again();
    assert!(becomes(|| daemon.status().entries == status.entries + 1), "{:?}", daemon.status());
}
