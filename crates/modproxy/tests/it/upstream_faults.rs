//! Upstreams that fail: errors, timeouts, lost connections, wrong contents.

use std::fs;
use std::time::Duration;

use modproxy::settings::{Settings, Timeouts};

use crate::fake_upstream::{Behavior, Request, Upstream};
use crate::{Response, get, packed, settings, start, status, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";
const SIZE: usize = 300_000;

/// Fetches a zip by the proxy: the response, how many requests the upstream got, and whether the file was cached.
fn zip_from(handler: impl Fn(&Request) -> Behavior + Send + Sync + 'static) -> (Response, usize, bool) {
    zip_within(Timeouts::default(), handler)
}

fn zip_within(
    timeouts: Timeouts,
    handler: impl Fn(&Request) -> Behavior + Send + Sync + 'static,
) -> (Response, usize, bool) {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(handler);
    let retry_delay = Duration::from_millis(5);
    let settings = Settings { timeouts: Timeouts { retry_delay, ..timeouts }, ..settings(&upstream.url(), dir.path()) };
    let proxy = start(settings);
    let got = get(proxy, ZIP);
    let requests = upstream.requests().len();
    let is_cached = || fs::read_dir(dir.path().join("store/records")).is_ok_and(|mut list| list.next().is_some());
    // A file is cached after its response; a rejected one is never cached.
    for _ in 0..if status(&got) == Some(200) { 500 } else { 10 } {
        if is_cached() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    (got, requests, is_cached())
}

/// Whether the go command sees an error: a status, or, after the beginning of a body, a response that is cut off.
pub(crate) fn is_refused(got: &Response) -> bool {
    matches!(got, Response::Truncated | Response::Whole(502, _))
}

fn good() -> Vec<u8> {
    packed("a.test", "v1.0.0", SIZE)
}

#[test]
fn refusals_are_passed_on_at_once() {
    for code in [404, 410, 403, 401, 400] {
        let (got, requests, cached) = zip_from(move |_| Behavior::Status(code));
        assert_eq!((status(&got), requests, cached), (Some(code), 1, false), "{code}");
    }
    let (got, ..) = zip_from(|_| {
        Behavior::SendWith(403, "Content-Type: text/plain; charset=utf-8\r\n", b"it is private\n".to_vec())
    });
    assert_eq!(got, Response::Whole(403, b"it is private\n".to_vec()));
}

#[test]
fn transient_errors_are_retried_a_limited_number_of_times() {
    for code in [500, 502, 503, 429] {
        let (got, requests, cached) =
            zip_from(move |request| if request.earlier < 2 { Behavior::Status(code) } else { Behavior::Send(good()) });
        assert_eq!((got, requests, cached), (whole(&good()), 3, true), "{code}");
        let (got, requests, cached) = zip_from(move |_| Behavior::Status(code));
        assert_eq!((status(&got), requests, cached), (Some(code), 4, false), "{code}");
    }
}

#[test]
fn a_silent_upstream_times_out() {
    let short = Duration::from_millis(300);
    let timeouts = Timeouts { response: short, read: short, ..Timeouts::default() };
    let (got, requests, cached) = zip_within(timeouts, |_| Behavior::Sleep);
    assert_eq!((status(&got), requests, cached), (Some(502), 1, false));
    let (_never, until) = std::sync::mpsc::sync_channel(0);
    let until = std::sync::Arc::new(std::sync::Mutex::new(until));
    let (got, _, cached) = zip_within(timeouts, move |_| Behavior::PauseAt(200_000, good(), until.clone()));
    assert_eq!((is_refused(&got), cached), (true, false));
}

#[test]
fn a_lost_connection_is_resumed() {
    // With ranges: only the rest is requested.
    let (got, requests, cached) = zip_from(|request| match request.headers.get("range") {
        None => Behavior::CutWithEtag(200_000, good()),
        Some(range) => {
            assert_eq!(request.headers["if-range"], "\"x\"");
            let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
            let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", good().len() - 1, good().len());
            Behavior::SendWith(206, headers.leak(), good()[from..].to_vec())
        }
    });
    assert_eq!((got, requests, cached), (whole(&good()), 2, true));
    // Without ranges: the whole file is requested again.
    let (got, requests, cached) = zip_from(|request| {
        if request.earlier < 3 { Behavior::CutAt(100_000 * request.earlier, good()) } else { Behavior::Send(good()) }
    });
    assert_eq!((got, requests, cached), (whole(&good()), 4, true));
    // A limited number of times.
    let (got, requests, cached) = zip_from(|_| Behavior::CutAt(200_000, good()));
    assert_eq!((is_refused(&got), requests, cached), (true, 4, false));
    let (got, requests, cached) = zip_from(|_| Behavior::Close);
    assert_eq!((status(&got), requests, cached), (Some(502), 4, false));
}

#[test]
fn attempts_with_different_contents_are_not_mixed() {
    let other = || packed("a.test", "v1.0.0", SIZE + 1);
    let same_length = || {
        let mut bytes = good();
        bytes[1000] ^= 1;
        bytes
    };
    for second in [other, same_length] {
        let (got, _, cached) =
            zip_from(
                move |request| {
                    if request.earlier == 0 { Behavior::CutAt(200_000, good()) } else { Behavior::Send(second()) }
                },
            );
        assert_eq!((is_refused(&got), cached), (true, false));
    }
    // A rest of another content is found by the checksums in the zip.
    let (got, requests, cached) = zip_from(move |request| match request.earlier {
        0 => Behavior::CutWithEtag(200_000, good()),
        _ => {
            let from: usize =
                request.headers["range"].trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
            let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", good().len() - 1, good().len());
            let mut rest = good()[from..].to_vec();
            rest[10] ^= 1;
            Behavior::SendWith(206, headers.leak(), rest)
        }
    });
    assert_eq!((is_refused(&got), requests, cached), (true, 2, false));
}

#[test]
fn a_wrong_file_is_not_cached_and_not_passed_on_whole() {
    let page = || b"<html><body>Sign in to the network</body></html>".to_vec();
    let (got, requests, cached) = zip_from(move |_| Behavior::Send(page()));
    assert_eq!((status(&got), requests, cached), (Some(502), 1, false), "a page");
    let long_page = move || page().repeat(5000);
    let (got, _, cached) = zip_from(move |_| Behavior::Send(long_page()));
    assert_eq!((is_refused(&got), cached), (true, false), "a long page");
    let (got, _, cached) = zip_from(move |_| Behavior::Send(packed("b.test", "v1.0.0", SIZE)));
    assert_eq!((is_refused(&got), cached), (true, false), "another module");
    let (got, _, cached) = zip_from(move |_| Behavior::Send(good()[..200_000].to_vec()));
    assert_eq!((is_refused(&got), cached), (true, false), "a file that is truncated at the upstream");
    let (got, _, cached) = zip_from(move |_| Behavior::SendUntilClose(good()[..200_000].to_vec()));
    assert_eq!((is_refused(&got), cached), (true, false), "... with no length");
}

#[test]
fn all_framings_of_a_body_are_accepted() {
    for behavior in [Behavior::Send, Behavior::SendChunked, Behavior::SendUntilClose] {
        let (got, requests, cached) = zip_from(move |_| behavior(good()));
        assert_eq!((got, requests, cached), (whole(&good()), 1, true));
    }
    // A go.mod without a marked end may be incomplete: it is not cached.
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|_| Behavior::SendUntilClose(b"module a.test\n".to_vec()));
    let proxy = start(settings(&upstream.url(), dir.path()));
    // An immediate request may share the same download.
    for _ in 0..500 {
        assert_eq!(get(proxy, "a.test/@v/v1.0.0.mod"), whole(b"module a.test\n"));
        if upstream.requests().len() == 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it was cached");
}
