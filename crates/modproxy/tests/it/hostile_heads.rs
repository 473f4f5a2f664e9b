//! Upstreams whose status lines and headers are wrong on purpose: the go command gets an error, nothing is cached, and the proxy
//! serves other files.

use std::time::{Duration, Instant};

use modproxy::settings::{Settings, Timeouts};

use crate::fake_upstream::{Behavior, Request, Upstream};
use crate::{Response, get, go_mod, settings, start, status, whole};

pub(crate) const MOD: &str = "a.test/@v/v1.0.0.mod";
const OTHER: &str = "b.test/@v/v1.0.0.mod";

/// What the go command gets for a path where the upstream does this. Nothing of it is cached, and the proxy serves the next file.
pub(crate) fn response_to(
    path: &str,
    timeouts: Timeouts,
    handler: impl Fn(&Request) -> Behavior + Send + Sync + 'static,
) -> Response {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(move |request| match request.path.as_str() {
        OTHER => Behavior::Send(go_mod("b.test")),
        _ => handler(request),
    });
    let retry_delay = Duration::from_millis(1);
    let settings = Settings { timeouts: Timeouts { retry_delay, ..timeouts }, ..settings(&upstream.url(), dir.path()) };
    let proxy = start(settings);
    let began = Instant::now();
    let got = get(proxy, path);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}: {got:?}", began.elapsed());
    assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true), "it was cached: {got:?}");
    assert_eq!(get(proxy, OTHER), whole(&go_mod("b.test")));
    got
}

/// The text of the error that the go command gets where the upstream sends these bytes and closes the connection.
#[track_caller]
fn error_after(bytes: impl AsRef<[u8]>) -> String {
    let bytes = bytes.as_ref().to_vec();
    let sent = bytes.clone();
    match response_to(MOD, Timeouts::default(), move |_| Behavior::RawThenClose(sent.clone())) {
        Response::Whole(502, message) => String::from_utf8(message).unwrap(),
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(&bytes)),
    }
}

fn with_headers(headers: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}\r\nmodule a.test\n")
}

#[test]
fn a_reply_in_another_protocol_is_an_error() {
    for reply in [
        b"SSH-2.0-OpenSSH_9.6\r\n".as_slice(),
        b"220 mail.test ESMTP\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x28",                             // an alert of TLS
        b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\0\xff\xff", // HTTP/2
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"module a.test\n", // HTTP/0.9
        &[0; 5000],
        b"",
    ] {
        error_after(reply);
    }
}

#[test]
fn headers_without_end_are_an_error() {
    let line = |length: usize| [b"X: ".as_slice(), &vec![b'x'; length], b"\r\n"].concat();
    for again in [line(1000), b"X-".repeat(100), b"HTTP/1.1 200 OK\r\n".to_vec()] {
        let head = b"HTTP/1.1 200 OK\r\n".to_vec();
        let got = response_to(MOD, Timeouts::default(), move |_| Behavior::RawWithoutEnd(head.clone(), again.clone()));
        assert_eq!(status(&got), Some(502));
    }
}

#[test]
fn an_invalid_header_is_an_error() {
    for header in ["no colon\r\n", "X: a\0b\r\n", "X y: z\r\n", ": z\r\n", "X\r: z\r\n"] {
        error_after(with_headers(&format!("Content-Length: 14\r\n{header}")));
    }
}

#[test]
fn a_length_that_is_no_length_is_an_error() {
    for length in ["-5", "+14", "0x0e", "14 14", "", "fourteen", "18446744073709551616"] {
        error_after(with_headers(&format!("Content-Length: {length}\r\n")));
    }
}

#[test]
fn two_different_lengths_are_an_error() {
    for lengths in ["Content-Length: 14\r\nContent-Length: 15\r\n", "Content-Length: 14, 15\r\n"] {
        error_after(with_headers(lengths));
    }
}

#[test]
fn a_length_over_the_limit_is_refused_before_the_body() {
    for (path, length) in [
        (MOD, 17 << 20),
        ("a.test/@v/list", 17 << 20),
        ("a.test/@v/v1.0.0.zip", 501 << 20),
        ("a.test/@v/v1.0.0.zip", u64::MAX),
    ] {
        let head = with_headers(&format!("Content-Length: {length}\r\n"));
        let got = response_to(path, Timeouts::default(), move |_| Behavior::Raw(head.clone().into_bytes()));
        let Response::Whole(502, message) = got else { panic!("{path}: {got:?}") };
        assert!(String::from_utf8(message).unwrap().contains("larger than"), "{path}");
    }
}

/// Two readers of one response must agree on where it ends: as in Go, the chunks decide.
#[test]
fn a_length_beside_chunks_is_ignored() {
    let dir = tempfile::tempdir().unwrap();
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\ne\r\nmodule a.test\n\r\n0\r\n\r\n";
    let upstream = Upstream::start(move |_| Behavior::Raw(both.into()));
    let proxy = start(settings(&upstream.url(), dir.path()));
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")));
}

#[test]
fn informational_responses_without_end_time_out() {
    let response = Duration::from_millis(500);
    for line in ["HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"] {
        let timeouts = Timeouts { response, read: response, ..Timeouts::default() };
        let got = response_to(MOD, timeouts, move |_| Behavior::RawWithoutEnd(Vec::new(), line.into()));
        assert_eq!(status(&got), Some(502), "{line}");
    }
    error_after("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
}

#[test]
fn bytes_after_a_body_are_not_the_next_response() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|request| {
        let module = request.path.split('/').next().unwrap().to_owned();
        let next = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nmodule evil.test\n";
        Behavior::Raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nmodule {module}\n{next}").into())
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    for module in ["a.test", "b.test", "c.test", "d.test"] {
        assert_eq!(get(proxy, &format!("{module}/@v/v1.0.0.mod")), whole(&go_mod(module)));
    }
}

/// The second entry has no file: as with the go command, a connection that went away is no answer of the first.
#[test]
fn a_connection_that_was_closed_between_two_requests_is_made_again() {
    let module = |request: &Request| request.path.split('/').next().unwrap().to_owned();
    let closes_before = move |request: &Request| match request.earlier {
        0 if module(request) != "a.test" => Behavior::Close,
        _ => Behavior::Send(go_mod(&module(request))),
    };
    let closes_after = move |request: &Request| {
        Behavior::RawThenClose(with_headers("Content-Length: 14\r\n").replace("a.test", &module(request)).into())
    };
    for first in [Upstream::start(closes_before), Upstream::start(closes_after)] {
        let dir = tempfile::tempdir().unwrap();
        let second = Upstream::start(|_| Behavior::Status(404));
        let proxy = start(settings(&format!("{}|{}", first.url(), second.url()), dir.path()));
        for module in ["a.test", "b.test", "c.test", "d.test"] {
            assert_eq!(get(proxy, &format!("{module}/@v/v1.0.0.mod")), whole(&go_mod(module)));
        }
        assert!(second.requests().is_empty());
    }
}

#[test]
fn no_cookie_goes_back() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|request| {
        assert!(!request.headers.contains_key("cookie"));
        Behavior::SendWith(200, "Set-Cookie: id=1; Path=/\r\n", b"v1.0.0\n".to_vec())
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    for _ in 0..2 {
        assert_eq!(get(proxy, "a.test/@v/list"), whole(b"v1.0.0\n"));
    }
}

#[test]
fn a_host_without_an_address_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let proxy = start(settings("http://nowhere.invalid", dir.path()));
    assert_eq!(status(&get(proxy, MOD)), Some(502));
    let second = Upstream::with_files(&[(MOD, go_mod("a.test"))]);
    let proxy = start(settings(&format!("http://nowhere.invalid|{}", second.url()), dir.path()));
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")));
}
