//! Responses of an upstream that the go command does not accept: they are not accepted as a file here either.

use crate::fake_upstream::{Behavior, Upstream};
use crate::{Response, get, go_mod, info, packed, settings, start, status, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";

/// A path of each kind, with its file.
fn files() -> [(&'static str, Vec<u8>); 4] {
    [
        (ZIP, packed("a.test", "v1.0.0", 3000)),
        ("a.test/@v/v1.0.0.mod", go_mod("a.test")),
        ("a.test/@v/v1.0.0.info", info("v1.0.0")),
        ("a.test/@v/list", b"v1.0.0\n".to_vec()),
    ]
}

/// For each path: calls `check` with the proxy's response where every response of the upstream has this status and these headers.
/// It also checks that the next entry is asked after a `|` and not after a `,`.
fn for_each_path(code: u16, headers: &'static str, mut check: impl FnMut(&str, &Response)) {
    for (path, bytes) in files() {
        let dir = tempfile::tempdir().unwrap();
        let body = bytes.clone();
        let bad = Upstream::start(move |_| Behavior::SendWith(code, headers, body.clone()));
        let good = Upstream::with_files(&[(path, bytes.clone())]);
        let alone = start(settings(&bad.url(), dir.path()));
        for _ in 0..2 {
            check(path, &get(alone, path));
        }
        assert_eq!(bad.requests().len(), 2, "{code} {headers} {path}: it was cached, or requested again at once");
        assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true), "{code} {headers} {path}");
        let stops = start(settings(&format!("{},{}", bad.url(), good.url()), dir.path()));
        check(path, &get(stops, path));
        assert!(good.requests().is_empty(), "after a comma only `not found` leads to the next entry");
        let goes_on = start(settings(&format!("{}|{}", bad.url(), good.url()), dir.path()));
        assert_eq!(get(goes_on, path), whole(&bytes), "{code} {headers} {path}");
    }
}

#[test]
fn a_body_with_an_encoding_is_rejected() {
    for coding in [
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: GZip\r\n",
        "content-encoding: x-gzip\r\n",
        "Content-Encoding: deflate\r\n",
        "Content-Encoding: br\r\n",
        "Content-Encoding: zstd\r\n",
        "Content-Encoding: gzip, identity\r\n",
        "Content-Encoding: identity, gzip\r\n",
        "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
        "Content-Encoding: \"identity\"\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: identity\r\n",
    ] {
        for_each_path(200, coding, |path, got| {
            let Response::Whole(502, message) = got else { panic!("{coding} {path}: {got:?}") };
            let message = String::from_utf8_lossy(message);
            assert!(message.contains("-Encoding: ") && message.contains("not requested"), "{message}");
        });
    }
}

#[test]
fn the_identity_encoding_is_accepted() {
    for coding in ["Content-Encoding: identity\r\n", "Content-Encoding: Identity\r\n", "Content-Encoding:\r\n"] {
        for (path, bytes) in files() {
            let dir = tempfile::tempdir().unwrap();
            let body = bytes.clone();
            let upstream = Upstream::start(move |_| Behavior::SendWith(200, coding, body.clone()));
            assert_eq!(get(start(settings(&upstream.url(), dir.path())), path), whole(&bytes), "{coding}");
        }
    }
}

#[test]
fn a_body_with_another_status_than_200_is_rejected() {
    for (code, headers) in [
        (201, ""),
        (202, ""),
        (203, ""),
        (206, ""),
        (206, "Content-Range: bytes 0-1/2\r\n"),
        (207, ""),
        (226, ""),
        (600, ""),
        (999, ""),
    ] {
        for_each_path(code, headers, |path, got| {
            let Response::Whole(502, message) = got else { panic!("{code} {path}: {got:?}") };
            assert!(String::from_utf8_lossy(message).contains(&code.to_string()), "{message:?}");
        });
    }
    // Statuses without a body, and redirects without a target.
    for code in [204, 205, 304, 300, 302, 307, 399] {
        for (path, _) in files() {
            let dir = tempfile::tempdir().unwrap();
            let upstream = Upstream::start(move |_| Behavior::Status(code));
            assert_eq!(status(&get(start(settings(&upstream.url(), dir.path())), path)), Some(502), "{code} {path}");
        }
    }
}

#[test]
fn not_found_with_any_body_leads_to_the_next_entry() {
    for code in [404, 410] {
        for (path, bytes) in files() {
            let dir = tempfile::tempdir().unwrap();
            let headers = "Content-Encoding: gzip\r\nContent-Type: text/plain\r\n";
            let first = Upstream::start(move |_| Behavior::SendWith(code, headers, b"\x1f\x8b no text".to_vec()));
            let good = Upstream::with_files(&[(path, bytes.clone())]);
            let list = format!("{},{}", first.url(), good.url());
            assert_eq!(get(start(settings(&list, dir.path())), path), whole(&bytes), "{code}");
            let Response::Whole(status, message) = get(start(settings(&first.url(), dir.path())), path) else {
                panic!()
            };
            assert_eq!((status, message.contains(&0x1f)), (code, false), "an encoded message is not passed on");
        }
    }
}

#[test]
fn a_response_by_http_1_0_is_accepted() {
    for (path, bytes) in files() {
        let dir = tempfile::tempdir().unwrap();
        let body = bytes.clone();
        let upstream = Upstream::start(move |_| Behavior::SendHttp10(body.clone()));
        assert_eq!(get(start(settings(&upstream.url(), dir.path())), path), whole(&bytes), "{path}");
    }
}

#[test]
fn an_html_page_in_the_place_of_a_file_is_rejected() {
    let page = b"<!DOCTYPE html>\n<html><body>\nmodule a.test\nv1.0.0\n</body></html>\n";
    for (path, _) in files().into_iter().take(3) {
        let dir = tempfile::tempdir().unwrap();
        let bad = Upstream::start(move |_| Behavior::SendWith(200, "Content-Type: text/html\r\n", page.to_vec()));
        let proxy = start(settings(&bad.url(), dir.path()));
        assert_eq!(status(&get(proxy, path)), Some(502), "{path}");
        assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true), "{path}");
    }
}

#[test]
fn a_damaged_zip_is_not_cached_and_fetched_again() {
    let good = packed("a.test", "v1.0.0", 300_000);
    let dir = tempfile::tempdir().unwrap();
    let given = good.clone();
    // In the contents, in a name before a member, in the directory: the form of the file stays valid.
    let places = [good.len() / 2, 31, good.len() - 60];
    let upstream = Upstream::start(move |request| {
        let mut bytes = given.clone();
        if let Some(&at) = places.get(request.earlier) {
            bytes[at] ^= 1;
        }
        Behavior::Send(bytes)
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    for _ in places {
        assert!(crate::upstream_faults::is_refused(&get(proxy, ZIP)));
        assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true));
    }
    assert_eq!(get(proxy, ZIP), whole(&good));
}
