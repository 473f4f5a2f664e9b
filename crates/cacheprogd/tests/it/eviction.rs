use std::process::Command;
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

/// What it could not remove is reported in the log: the store may stay over its limits.
#[test]
fn an_eviction_that_fails_in_part_is_reported() {
    let mut daemon = Daemon::start();
    let view = daemon.register("one");
    assert!(matches!(Session::open(&view, "/go").put(1, b"body"), Reply::Stored { .. }));
    daemon.stop();
    let records = daemon.state_dir().join("records");
    let unused = Command::new("find")
        .arg(&records)
        .args(["-type", "f", "-exec", "touch", "-d", "90 days ago", "{}", "+"])
        .status();
    assert!(unused.unwrap().success());
    let evict = |before: &[&str]| {
        let program = testkit::program("cacheprogd");
        let arguments = ["evict".into(), "--state-dir".into(), daemon.state_dir().into_os_string()];
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=unlink,unlinkat"])
            .args(before)
            .arg(program)
            .args(arguments)
            .output()
            .expect("strace is needed: apt-get install strace")
    };
    let failed = evict(&["-e", "inject=unlink,unlinkat:error=EIO"]);
    let (json, log) = (String::from_utf8_lossy(&failed.stdout), String::from_utf8_lossy(&failed.stderr));
    assert!(!failed.status.success() && json.contains("\"before\""), "{json} {log}");
    assert!(log.contains("could not be read or removed") && log.contains(records.to_str().unwrap()), "{log}");
    assert!(evict(&[]).status.success());
}
