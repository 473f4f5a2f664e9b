//! Upstreams whose bodies have no end, come slowly, or are not framed as announced.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use modproxy::settings::Timeouts;

use crate::fake_upstream::{Behavior, Upstream};
use crate::hostile_heads::{MOD, response_to};
use crate::upstream_faults::is_refused;
use crate::{Response, get, go_mod, packed, read, send_request, settings, start, status, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunked(rest: &str) -> Vec<u8> {
    format!("{CHUNKED}{rest}").into()
}

#[test]
fn a_chunk_without_a_valid_size_is_an_error() {
    for rest in [
        "x\r\nmodule a.test\n\r\n0\r\n\r\n",
        "-1\r\nmodule a.test\n\r\n0\r\n\r\n",
        "\r\nmodule a.test\n\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nmodule a.test\n",
        "5\r\nmodule a.test\n\r\n0\r\n\r\n",
        "e;name=a long extension of a chunk that no server sends\r\nmodule a.test\n\r\n0\r\n\r\n",
    ] {
        let got = response_to(MOD, Timeouts::default(), move |_| Behavior::RawThenClose(chunked(rest)));
        assert!(is_refused(&got), "{rest}: {got:?}");
    }
}

#[test]
fn chunks_without_the_last_one_are_no_whole_file() {
    for rest in ["e\r\nmodule a.test\n", "e\r\nmodule a.test\n\r\n", "ff\r\nmodule a.test\n", "0"] {
        let got = response_to(MOD, Timeouts::default(), move |_| Behavior::RawThenClose(chunked(rest)));
        assert!(is_refused(&got), "{rest}: {got:?}");
    }
}

/// Timeouts of requests where a whole body may take two seconds.
fn short() -> Timeouts {
    let second = Duration::from_secs(1);
    Timeouts { response: second, read: second, file: 2 * second, zip: 2 * second, ..Timeouts::default() }
}

#[test]
fn trailers_without_end_are_an_error() {
    let got = response_to(MOD, short(), |_| {
        Behavior::RawWithoutEnd(chunked("e\r\nmodule a.test\n\r\n0\r\n"), b"X: y\r\n".repeat(100))
    });
    assert!(is_refused(&got), "{got:?}");
}

#[test]
fn a_redirect_with_a_body_without_end_is_an_error() {
    for framing in ["Transfer-Encoding: chunked\r\n", ""] {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: /other\r\n{framing}\r\n");
        let got =
            response_to(MOD, short(), move |_| Behavior::RawWithoutEnd(head.clone().into(), b"1\r\nx\r\n".repeat(100)));
        assert_eq!(status(&got), Some(502));
    }
}

#[test]
fn a_body_without_end_is_cut_off_at_its_limit() {
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for path in [MOD, "a.test/@v/list", "a.test/@latest", "a.test/@v/v1.0.0.info"] {
        let (head, chunk) = (chunked(""), chunk.clone());
        let got = response_to(path, Timeouts::default(), move |_| Behavior::RawWithoutEnd(head.clone(), chunk.clone()));
        assert_eq!(got, Response::Truncated, "{path}");
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_ends_in_time() {
    let began = Instant::now();
    for path in [MOD, ZIP] {
        let got = response_to(path, short(), |_| Behavior::Trickle(vec![b'x'; 10_000], Duration::from_millis(100)));
        assert!(is_refused(&got), "{path}: {got:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed()); // ten seconds for each of 100
}

#[test]
fn slow_files_delay_no_other_and_their_number_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (slow, until) = std::sync::mpsc::sync_channel(0);
    let until = Arc::new(Mutex::new(until));
    let upstream = Upstream::start(move |request| match request.path.as_str() {
        MOD => Behavior::Send(go_mod("a.test")),
        _ => Behavior::PauseAt(1, go_mod("slow.test"), until.clone()),
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    let request_slow = |n: usize| send_request(proxy, &format!("slow.test/@v/v1.0.{n}.mod"));
    let mut held: Vec<_> = (0..63).map(request_slow).collect();
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")));
    // The file above has a place as well until it is cached.
    for n in 63..1000 {
        held.push(request_slow(n));
        std::thread::sleep(Duration::from_millis(20));
        if upstream.requests().len() == 65 {
            break;
        }
    }
    let Response::Whole(502, message) = get(proxy, "b.test/@v/v1.0.0.mod") else { panic!("one more was served") };
    assert!(String::from_utf8(message).unwrap().contains("download limit (64) reached"));
    drop::<std::sync::mpsc::SyncSender<()>>(slow);
    assert!(held.iter_mut().all(|response| is_refused(&read(response))));
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")));
}

#[test]
fn the_text_of_an_error_is_cut_off_at_its_limit() {
    let head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\n\r\n";
    let got = response_to(MOD, Timeouts::default(), |_| Behavior::RawWithoutEnd(head.to_vec(), vec![b'x'; 1000]));
    let Response::Whole(403, message) = got else { panic!("{got:?}") };
    assert!(message.len() < 5000, "{}", message.len());
}

#[test]
fn all_who_wait_for_a_file_that_fails_get_its_error() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|request| match request.earlier {
        0 => Behavior::Trickle(b"no go.mod".to_vec(), Duration::from_millis(300)),
        _ => Behavior::Send(go_mod("a.test")),
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    let mut all: Vec<_> = (0..8).map(|_| send_request(proxy, MOD)).collect();
    assert!(all.iter_mut().all(|response| status(&read(response)) == Some(502)));
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")), "and it is requested again");
}

/// The zip of a.test, cut off after 200,000 bytes; then `rest` for the request for the rest.
fn after_a_cut(headers: &'static str, rest: impl Fn(&[u8]) -> Behavior + Send + Sync + 'static) -> Response {
    let good = packed("a.test", "v1.0.0", 300_000);
    response_to(ZIP, Timeouts::default(), move |request| {
        if request.headers.contains_key("range") {
            return rest(&good);
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n", good.len());
        Behavior::RawThenClose([head.as_bytes(), &good[..200_000]].concat())
    })
}

#[test]
fn a_rest_that_was_not_asked_for_is_an_error() {
    for range in ["bytes 100000-300391/300392", "bytes 200000-300391/999", "bytes 200000-1/*", "bytes x-y/z", ""] {
        let headers: &str = format!("Content-Range: {range}\r\n").leak();
        let got =
            after_a_cut("ETag: \"x\"\r\n", move |good| Behavior::SendWith(206, headers, good[200_000..].to_vec()));
        assert!(is_refused(&got), "{range}: {got:?}");
    }
    // Its length, added to what is there, is more than a number holds.
    let got = after_a_cut("ETag: \"x\"\r\n", |_| {
        Behavior::RawThenClose(
            format!("HTTP/1.1 206 P\r\nContent-Range: bytes 200000-1/2\r\nContent-Length: {}\r\n\r\n", u64::MAX).into(),
        )
    });
    assert!(is_refused(&got), "{got:?}");
    for code in [404, 416] {
        let got = after_a_cut("ETag: \"x\"\r\n", move |_| Behavior::Status(code));
        assert!(is_refused(&got), "{got:?}");
    }
}

/// A weak `ETag` names equivalent contents, not the same bytes. One that is no text cannot be sent back.
#[test]
fn no_rest_is_asked_for_by_a_name_that_names_no_bytes() {
    for headers in ["ETag: W/\"x\"\r\n", "ETag: \"\u{fc}\"\r\n", ""] {
        let got = after_a_cut(headers, |_| panic!("a rest was asked for"));
        assert_eq!(got, Response::Truncated, "{headers}");
    }
}

/// What the first entry began, the second must go on with byte for byte.
#[test]
fn another_entry_of_the_list_continues_with_the_same_bytes_only() {
    let good = packed("a.test", "v1.0.0", 300_000);
    for (second, is_whole) in [(good.clone(), true), (packed("a.test", "v1.0.0", 300_001), false)] {
        let dir = tempfile::tempdir().unwrap();
        let begun = good.clone();
        let first = Upstream::start(move |request| match request.earlier {
            0 => Behavior::CutAt(200_000, begun.clone()),
            _ => Behavior::Status(404),
        });
        let second = Upstream::with_files(&[(ZIP, second)]);
        let got = get(start(settings(&format!("{},{}", first.url(), second.url()), dir.path())), ZIP);
        assert_eq!(got == whole(&good), is_whole, "{got:?}");
        assert!(is_whole || got == Response::Truncated, "{got:?}");
    }
}

/// The go command gets answers to queries as they are, and judges them. No file is derived from them.
#[test]
fn odd_answers_to_queries_are_passed_on_and_kept_for_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let odd = [
        ("a.test/@v/list", "../../x\nV1.0.0\nv1.0.0 x\n\0\nhttp://b.test\n"),
        ("a.test/@latest", r#"{"Version":"../../v9.9.9","Origin":{"URL":"file:///"}}"#),
        ("a.test/@v/master.info", r#"{"Version":"v9.9.9"}"#),
    ];
    let upstream = Upstream::with_files(&odd.map(|(path, text)| (path, text.into())));
    let proxy = start(settings(&upstream.url(), dir.path()));
    for (path, text) in odd {
        assert_eq!(get(proxy, path), whole(text.as_bytes()));
    }
    assert_eq!(status(&get(proxy, "a.test/@v/v9.9.9.info")), Some(404));
    assert_eq!(upstream.requests().len(), 4);
}

#[test]
fn a_file_that_the_upstream_changes_later_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|request| Behavior::Send(packed("a.test", "v1.0.0", 1000 + request.earlier)));
    let proxy = start(settings(&upstream.url(), dir.path()));
    for _ in 0..20 {
        assert_eq!(get(proxy, ZIP), whole(&packed("a.test", "v1.0.0", 1000)));
    }
    assert_eq!(upstream.requests().len(), 1);
}
