use std::time::{Duration, Instant};

use s3_double::{Fault, Logged, Rule};

use crate::client::{Client, End, Seen, double};

const BODY: &[u8] = &[7; 100_000];

/// A GET of an object of 100,000 bytes that meets the fault, and then one that does not.
fn met(fault: Fault) -> (Seen, Logged) {
    let (double, client) = double(|_| {});
    client.put("/b/o/1", BODY);
    double.add_rule(Rule { method: Some("GET".to_owned()), name: Some("o/".to_owned()), times: Some(1), fault });
    let client = client.with("range", "bytes=0-99999");
    let seen = client.get("/b/o/1");
    let after = client.get("/b/o/1");
    assert_eq!((after.status, after.body.len(), after.end), (206, BODY.len(), End::Whole));
    let logged = double.requests().remove(1);
    assert!(logged.fault.is_some());
    assert_eq!(logged.status, seen.status);
    (seen, logged)
}

#[test]
fn errors_are_those_of_s3() {
    let error = |fault| met(fault).0.error();
    let status = |status, code: &str| error(Fault::Status { status, code: code.to_owned() });
    for (number, code) in [(403, "AccessDenied"), (404, "NoSuchKey"), (500, "InternalError"), (503, "SlowDown")] {
        assert_eq!(status(number, code), (number, code.to_owned()));
    }
    assert_eq!(error(Fault::ExpiredToken), (400, "ExpiredToken".to_owned()));
    assert_eq!(error(Fault::NoBucket), (404, "NoSuchBucket".to_owned()));
    assert_eq!(error(Fault::FullDisk), (500, "InternalError".to_owned()));
    for seconds in [1200, -1200] {
        assert_eq!(error(Fault::Clock { seconds }), (403, "RequestTimeTooSkewed".to_owned()));
    }
    assert_eq!(met(Fault::Clock { seconds: 600 }).0.status, 206);
}

#[test]
fn a_redirect_keeps_path_and_query_where_it_is_asked_to() {
    let location = "http://127.0.0.1:1{path}".to_owned();
    let seen = met(Fault::Redirect { status: 307, location }).0;
    assert_eq!(seen.status, 307);
    assert!(seen.head.contains("Location: http://127.0.0.1:1/b/o/1\r\n"), "{}", seen.head);
}

#[test]
fn bodies_break_in_each_way() {
    let (cut, logged) = met(Fault::Cut { after: 5000 });
    assert_eq!((cut.body.len(), cut.end, logged.bytes_down), (5000, End::Closed, 5000));
    assert!(cut.head.contains("Content-Length: 100000"));
    let (reset, logged) = met(Fault::Reset { after: 5000 });
    assert_eq!((reset.body.len(), reset.end, logged.bytes_down), (5000, End::Reset, 5000));
    let (wrong, _) = met(Fault::WrongByte { at: 50 });
    assert_eq!((wrong.end, wrong.body.len()), (End::Whole, BODY.len()));
    assert_eq!((0..BODY.len()).filter(|&at| wrong.body[at] != BODY[at]).collect::<Vec<_>>(), [50]);
    let (longer, _) = met(Fault::OtherLength { difference: 10 });
    assert_eq!((longer.end, longer.body.len()), (End::Closed, BODY.len()));
    assert!(longer.head.contains("Content-Length: 100010"));
    let (shorter, _) = met(Fault::OtherLength { difference: -10 });
    assert!(shorter.head.contains("Content-Length: 99990"));
    let (whole, _) = met(Fault::IgnoreRange);
    assert_eq!((whole.status, whole.body.len()), (200, BODY.len()));
}

#[test]
fn answers_are_late_slow_or_missing() {
    let begin = Instant::now();
    met(Fault::Delay { milliseconds: 300 });
    assert!(begin.elapsed() >= Duration::from_millis(300));
    let begin = Instant::now();
    assert_eq!(met(Fault::Drip { bytes_per_second: 200_000 }).0.end, End::Whole);
    assert!(begin.elapsed() >= Duration::from_millis(400));
    assert_eq!(met(Fault::Hang).0.end, End::Silent);
    assert_eq!(met(Fault::Refuse).0.end, End::Reset);
}

#[test]
fn a_put_is_reset_in_the_middle_or_slow_or_finds_a_full_disk() {
    let (double, client) = double(|_| {});
    double.add_rule(Rule { method: None, name: None, times: Some(1), fault: Fault::Reset { after: 1 << 20 } });
    assert_eq!(client.put("/b/o", &vec![1; 8 << 20]).end, End::Reset);
    assert_eq!((client.get("/b/o").status, double.requests()[0].status), (404, 0));
    let drip = Fault::Drip { bytes_per_second: 200_000 };
    double.add_rule(Rule { method: None, name: None, times: Some(1), fault: drip });
    let begin = Instant::now();
    assert_eq!(client.put("/b/slow", BODY).status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(400));
    double.add_rule(Rule { method: None, name: None, times: Some(1), fault: Fault::FullDisk });
    assert_eq!([client.put("/b/o", b"x").status, client.get("/b/o").status], [500, 404]);
}

#[test]
fn connections_are_refused_until_the_rules_are_cleared() {
    let (double, client) = double(|_| {});
    double.add_rule(Rule { method: None, name: None, times: None, fault: Fault::Refuse });
    for _ in 0..2 {
        assert_eq!(client.get("/b/o").end, End::Reset);
    }
    assert_eq!((double.totals().connections, double.totals().requests), (2, 0));
    double.clear_rules();
    assert_eq!(client.get("/b/o").status, 404);
}

#[test]
fn a_server_ends_while_a_request_hangs() {
    let (double, client) = double(|_| {});
    double.add_rule(Rule { method: None, name: Some("o".to_owned()), times: None, fault: Fault::Hang });
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Client::new(client.address).get("/b/o"));
        while double.requests().is_empty() {
            std::thread::yield_now();
        }
        drop(double);
        waiting.join().unwrap()
    });
    assert_ne!(waiting.end, End::Silent);
}
