use std::time::{Duration, Instant};

use crate::fake_engine::{Behavior, FakeEngine, Request, ok, s3_error, status};
use crate::{http, impatient, put, read, s3, variant};

#[test]
fn a_reset_a_500_and_a_503_are_tried_once_more() {
    for (number, fault) in
        [|| Behavior::Close, || status(500, ""), || s3_error(503, "SlowDown")].into_iter().enumerate()
    {
        let server = FakeEngine::start(move |request| if request.earlier % 2 == 0 { fault() } else { ok(b"x") });
        let engine = s3(&server);
        let since = Instant::now();
        assert_eq!(read(&engine, None).unwrap(), b"x", "{number}");
        assert!(since.elapsed() >= Duration::from_millis(100));
        put(&engine, b"hello").unwrap();
        assert_eq!(server.requests()[3].body, b"hello", "the body is sent from its begin");
        assert_eq!(engine.counters().retries, 2);
        let server = FakeEngine::start(move |_| fault());
        assert_eq!(variant(read(&s3(&server), None)), "Unavailable");
        assert_eq!(server.requests().len(), 2);
    }
}

#[test]
fn other_faults_are_not_tried_again() {
    for (answer, code) in
        [(404, "NoSuchKey"), (403, "AccessDenied"), (400, "BadDigest"), (502, ""), (504, ""), (429, "")]
    {
        let server = FakeEngine::start(move |_| s3_error(answer, code));
        put(&s3(&server), b"x").unwrap_err();
        assert_eq!(server.requests().len(), 1, "{answer}");
    }
    let server = FakeEngine::start(|_| status(500, "checksums don't match"));
    assert_eq!(variant(put(&http(&server), b"x")), "Digest");
    assert_eq!(server.requests().len(), 1);
    let server = FakeEngine::start(|_| Behavior::Hang);
    assert_eq!(variant(read(&impatient(&server), None)), "Slow");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_waiting_does_not_help_is_not_tried_again() {
    for (answer, code, expected) in [
        (400, "ExpiredToken", "Expired"),
        (403, "RequestTimeTooSkewed", "Clock"),
        (404, "NoSuchBucket", "NoBucket"),
        (403, "AccessDenied", "Denied"),
    ] {
        let server = FakeEngine::start(move |_| s3_error(answer, code));
        let engine = s3(&server);
        assert_eq!(variant(read(&engine, None)), expected);
        assert_eq!((server.requests().len(), engine.counters().retries), (1, 0), "{code}");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let engine = cacheprog_remote::Engine::new(&crate::settings(&url, Default::default()));
    assert_eq!(variant(read(&engine, None)), "Unavailable", "the connection is refused");
    assert_eq!(engine.counters().retries, 0);
}

#[test]
fn a_refusal_before_the_body_is_heard_by_the_second_attempt() {
    let refuse = |request: &Request| (request.method == "PUT").then(|| status(401, "no"));
    let server = FakeEngine::start_with(refuse, |_| ok(b""));
    let body = vec![7; 8 << 20]; // more than sockets hold
    assert_eq!(variant(put(&http(&server), &body)), "Denied");
    let requests = server.requests();
    assert!(requests.len() <= 2 && requests.last().unwrap().body.is_empty());
}
