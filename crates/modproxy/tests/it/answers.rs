//! Answers of an upstream that the go command takes for none: they are no file here either.

use crate::upstream::{Does, Upstream};
use crate::{Got, get, go_mod, info, packed, settings, start, status, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";

/// One of each kind of path, with what an upstream has for it.
fn files() -> [(&'static str, Vec<u8>); 4] {
    [
        (ZIP, packed("a.test", "v1.0.0", 3000)),
        ("a.test/@v/v1.0.0.mod", go_mod("a.test")),
        ("a.test/@v/v1.0.0.info", info("v1.0.0")),
        ("a.test/@v/list", b"v1.0.0\n".to_vec()),
    ]
}

/// What the go command gets for each path from an upstream whose every answer has this status and these headers; what an
/// entry behind a `,` and one behind a `|` were asked.
fn each_with(answer: u16, headers: &'static str, mut see: impl FnMut(&str, &Got)) {
    for (path, bytes) in files() {
        let dir = tempfile::tempdir().unwrap();
        let body = bytes.clone();
        let odd = Upstream::start(move |_| Does::With(answer, headers, body.clone()));
        let good = Upstream::with(&[(path, bytes.clone())]);
        let alone = start(settings(&odd.url(), dir.path()));
        for _ in 0..2 {
            see(path, &get(alone, path));
        }
        assert_eq!(odd.asked().len(), 2, "{answer} {headers} {path}: it was kept, or asked for again at once");
        assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true), "{answer} {headers} {path}");
        let stops = start(settings(&format!("{},{}", odd.url(), good.url()), dir.path()));
        see(path, &get(stops, path));
        assert!(good.asked().is_empty(), "after a comma only `not found` leads on");
        let goes_on = start(settings(&format!("{}|{}", odd.url(), good.url()), dir.path()));
        assert_eq!(get(goes_on, path), whole(&bytes), "{answer} {headers} {path}");
    }
}

#[test]
fn a_body_that_was_packed_on_the_way_is_no_file() {
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
        each_with(200, coding, |path, got| {
            let Got::Whole(502, said) = got else { panic!("{coding} {path}: {got:?}") };
            let said = String::from_utf8_lossy(said);
            assert!(said.contains("-Encoding: ") && said.contains("not asked for"), "{said}");
        });
    }
}

#[test]
fn a_body_that_is_as_it_is_may_say_so() {
    for coding in ["Content-Encoding: identity\r\n", "Content-Encoding: Identity\r\n", "Content-Encoding:\r\n"] {
        for (path, bytes) in files() {
            let dir = tempfile::tempdir().unwrap();
            let body = bytes.clone();
            let upstream = Upstream::start(move |_| Does::With(200, coding, body.clone()));
            assert_eq!(get(start(settings(&upstream.url(), dir.path())), path), whole(&bytes), "{coding}");
        }
    }
}

#[test]
fn no_other_status_is_a_file() {
    for (odd, headers) in [
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
        each_with(odd, headers, |path, got| {
            let Got::Whole(502, said) = got else { panic!("{odd} {path}: {got:?}") };
            assert!(String::from_utf8_lossy(said).contains(&odd.to_string()), "{said:?}");
        });
    }
    // Without a body, as they have to be, and those that lead nowhere.
    for odd in [204, 205, 304, 300, 302, 307, 399] {
        for (path, _) in files() {
            let dir = tempfile::tempdir().unwrap();
            let upstream = Upstream::start(move |_| Does::Status(odd));
            assert_eq!(status(&get(start(settings(&upstream.url(), dir.path())), path)), Some(502), "{odd} {path}");
        }
    }
}

#[test]
fn there_is_none_whatever_is_said_beside_it() {
    for said in [404, 410] {
        for (path, bytes) in files() {
            let dir = tempfile::tempdir().unwrap();
            let headers = "Content-Encoding: gzip\r\nContent-Type: text/plain\r\n";
            let first = Upstream::start(move |_| Does::With(said, headers, b"\x1f\x8b no text".to_vec()));
            let good = Upstream::with(&[(path, bytes.clone())]);
            let list = format!("{},{}", first.url(), good.url());
            assert_eq!(get(start(settings(&list, dir.path())), path), whole(&bytes), "{said}");
            let Got::Whole(status, words) = get(start(settings(&first.url(), dir.path())), path) else { panic!() };
            assert_eq!((status, words.contains(&0x1f)), (said, false), "packed words are not passed on");
        }
    }
}

#[test]
fn an_answer_in_the_old_form_is_one() {
    for (path, bytes) in files() {
        let dir = tempfile::tempdir().unwrap();
        let body = bytes.clone();
        let upstream = Upstream::start(move |_| Does::GivesOld(body.clone()));
        assert_eq!(get(start(settings(&upstream.url(), dir.path())), path), whole(&bytes), "{path}");
    }
}

#[test]
fn a_page_in_the_place_of_a_file_is_none() {
    let page = b"<!DOCTYPE html>\n<html><body>\nmodule a.test\nv1.0.0\n</body></html>\n";
    for (path, _) in files().into_iter().take(3) {
        let dir = tempfile::tempdir().unwrap();
        let odd = Upstream::start(move |_| Does::With(200, "Content-Type: text/html\r\n", page.to_vec()));
        let proxy = start(settings(&odd.url(), dir.path()));
        assert_eq!(status(&get(proxy, path)), Some(502), "{path}");
        assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true), "{path}");
    }
}

#[test]
fn a_zip_that_came_damaged_is_fetched_again() {
    let good = packed("a.test", "v1.0.0", 300_000);
    let dir = tempfile::tempdir().unwrap();
    let given = good.clone();
    // In the contents, in a name before a member, in the directory: none of it shows in the form alone.
    let places = [good.len() / 2, 31, good.len() - 60];
    let upstream = Upstream::start(move |ask| {
        let mut bytes = given.clone();
        if let Some(&at) = places.get(ask.before) {
            bytes[at] ^= 1;
        }
        Does::Gives(bytes)
    });
    let proxy = start(settings(&upstream.url(), dir.path()));
    for _ in places {
        assert!(crate::faults::is_refused(&get(proxy, ZIP)));
        assert!(!dir.path().join("store/records").read_dir().unwrap().any(|_| true));
    }
    assert_eq!(get(proxy, ZIP), whole(&good));
}
