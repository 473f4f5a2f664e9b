use cacheprog_remote::EngineError;
use cacheprog_remote::counters::{Method, RequestOutcome};

use crate::fake_engine::{Behavior, FakeEngine, ok, s3_error, status};
use crate::{http, put, read, s3, variant};

#[test]
fn three_faults_pause_writes_and_leave_reads() {
    let server = FakeEngine::start(|request| match request.method.as_str() {
        "PUT" => status(502, ""),
        _ => ok(b"x"),
    });
    let engine = s3(&server);
    for _ in 0..3 {
        assert_eq!(variant(put(&engine, b"x")), "Unavailable");
    }
    let error = put(&engine, b"x").unwrap_err();
    assert!(matches!(error, EngineError::Paused { .. }) && !error.is_fault_of_engine(), "{error}");
    assert_eq!(server.requests().len(), 3);
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert_eq!(engine.are_paused(), (false, true));
}

#[test]
fn a_body_that_breaks_off_is_a_fault_and_a_refusal_is_none() {
    let server = FakeEngine::start(|_| Behavior::CutAt(1, vec![0; 9]));
    let engine = http(&server);
    for _ in 0..3 {
        assert_eq!(variant(read(&engine, None)), "Body");
    }
    assert_eq!(variant(read(&engine, None)), "Paused");
    let server = FakeEngine::start(|_| s3_error(403, "AccessDenied"));
    let engine = s3(&server);
    for _ in 0..9 {
        assert_eq!(variant(read(&engine, None)), "Denied");
    }
    let server = FakeEngine::start(|_| Behavior::Send(206, String::new(), Vec::new()));
    let engine = s3(&server);
    for _ in 0..3 {
        assert_eq!(variant(read(&engine, None)), "Protocol");
    }
    assert_eq!(engine.are_paused(), (true, false));
}

#[test]
fn requests_are_counted_by_method_and_outcome() {
    let server = FakeEngine::start(|request| match request.earlier {
        0 => status(500, ""),
        1 => ok(b"hello"),
        2 => Behavior::CutAt(2, b"hello".to_vec()),
        3 => s3_error(404, "NoSuchKey"),
        _ => status(200, ""),
    });
    let engine = s3(&server);
    read(&engine, None).unwrap();
    read(&engine, None).unwrap_err();
    read(&engine, None).unwrap_err();
    put(&engine, b"abc").unwrap();
    let counters = engine.counters();
    let expected = [
        ((Method::Get, RequestOutcome::Ok), 1),
        ((Method::Get, RequestOutcome::Missing), 1),
        ((Method::Get, RequestOutcome::Unavailable), 1),
        ((Method::Get, RequestOutcome::Invalid), 1),
        ((Method::Put, RequestOutcome::Ok), 1),
    ];
    assert_eq!(counters.requests, expected.into_iter().collect());
    assert_eq!((counters.bytes_up, counters.bytes_down, counters.retries), (3, 7, 1));
}
