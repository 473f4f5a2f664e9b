use std::sync::Mutex;

use cacheprog_remote::cli::Args;
use clap::Parser;

use crate::fake_engine::{Behavior, FakeEngine, Request, ok, s3_error, status};

/// A server that keeps the object that was put, and answers to a read as it is told.
fn server(read: impl Fn(&Request, Vec<u8>) -> Behavior + Send + Sync + 'static) -> FakeEngine {
    let kept = Mutex::new(Vec::new());
    FakeEngine::start(move |request| {
        let mut kept = kept.lock().unwrap();
        match request.method.as_str() {
            "PUT" => kept.clone_from(&request.body),
            "GET" => return read(request, kept.clone()),
            _ => {}
        }
        ok(b"")
    })
}

/// What the command says of a store; `Ok` where nothing is wrong.
fn tried(server: &FakeEngine, arguments: &[&str]) -> Result<(), String> {
    let url = format!("http://{}/go", server.address);
    let fixed = ["cacheprog-remote", "test", "--url", &url];
    Args::try_parse_from(fixed.iter().chain(arguments)).unwrap().run().map_err(|e| e.to_string())
}

/// Whether the object that was put is removed at the end.
fn is_removed(server: &FakeEngine) -> bool {
    server.requests().last().is_some_and(|request| request.method == "DELETE")
}

fn tried_s3(server: &FakeEngine) -> Result<(), String> {
    let endpoint = format!("http://{}", server.address);
    let fixed = ["cacheprog-remote", "test", "--write", "--url", "s3://b-1/go", "--endpoint", &endpoint];
    Args::try_parse_from(fixed).unwrap().run().map_err(|e| e.to_string())
}

#[track_caller]
fn assert_said(tried: Result<(), String>, words: &[&str]) {
    let said = tried.unwrap_err();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_store_that_keeps_what_is_put_can_be_used() {
    let good = server(|_, body| ok(&body));
    tried(&good, &["--write"]).unwrap();
    let methods: Vec<_> = good.requests().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["PUT", "GET", "GET", "DELETE"]);
    let body = &good.requests()[0].body;
    assert!(body.len() == 256 << 10 && does_not_compress(body));
    tried(&FakeEngine::start(|_| status(404, "")), &[]).unwrap();
}

/// Each value of a byte is about as frequent as any other.
fn does_not_compress(body: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    body.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    counts.iter().all(|count| (800..1250).contains(count))
}

#[test]
fn a_body_that_is_slow_or_breaks_off_is_named_with_its_likely_cause() {
    let drip = server(|_, body| Behavior::Drip(100, body));
    assert_said(
        tried(&drip, &["--write"]),
        &["reading: the bytes came at ", " kB/s (", " of 262,144 in 4", "limit_rate"],
    );
    assert!(is_removed(&drip));
    for behavior in [Behavior::CutAt as fn(usize, Vec<u8>) -> Behavior, Behavior::ResetAt] {
        let ends = server(move |_, body| behavior(1000, body));
        let said = ["reading: the connection ended after 1,000 of 262,144 bytes", "firewall", "Look into its log"];
        assert_said(tried(&ends, &["--write"]), &said);
        assert!(is_removed(&ends));
    }
    let ranges = server(
        |request, body| {
            if request.header("range").is_empty() { ok(&body) } else { Behavior::CutAt(150_000, body) }
        },
    );
    assert_said(tried(&ranges, &["--write"]), &["reading a range: the connection ended after 50,000 of 100,000 bytes"]);
    assert!(is_removed(&ranges));
}

#[test]
fn a_connection_that_ends_during_a_write_is_named() {
    let ends = FakeEngine::start(|_| Behavior::Close);
    assert_said(
        tried(&ends, &["--write"]),
        &["writing http", "the connection ended while 262,144 bytes were sent", "firewall"],
    );
}

#[test]
fn what_was_written_and_is_not_there_is_told_from_what_cannot_be_written() {
    let forgets = server(|_, _| status(404, ""));
    assert_said(tried(&forgets, &["--write"]), &["reading http", "what was written is not there", "proxy_pass"]);
    assert_said(tried_s3(&server(|_, _| s3_error(404, "NoSuchKey"))), &["what was written is not there"]);
    let nothing = FakeEngine::start(|_| status(404, ""));
    let said = ["writing http", "the directory does not exist on the server (status 404)", "correct the remote's URL"];
    assert_said(tried(&nothing, &["--write"]), &said);
    for code in ["NoSuchBucket", "NoSuchKey"] {
        let nothing = FakeEngine::start(move |_| s3_error(404, code));
        assert_said(tried_s3(&nothing), &["writing http", "the bucket does not exist", "endpoint"]);
    }
    let other = server(|_, mut body| {
        body[200_000] ^= 1;
        ok(&body)
    });
    assert_said(tried(&other, &["--write"]), &["other bytes than were put"]);
    assert!(is_removed(&forgets) && is_removed(&other) && !is_removed(&nothing));
}
