use std::fs;
use std::time::Duration;

use modproxy::settings::{Patience, Settings};

use crate::upstream::{Ask, Does, Upstream};
use crate::{Got, get, packed, settings, start, status, whole};

const ZIP: &str = "a.test/@v/v1.0.0.zip";
const SIZE: usize = 300_000;

/// What the go command gets of a zip from an upstream that does this, how often that was asked, and whether it was kept.
fn zip_from(does: impl Fn(&Ask) -> Does + Send + Sync + 'static) -> (Got, usize, bool) {
    zip_within(Patience::default(), does)
}

fn zip_within(patience: Patience, does: impl Fn(&Ask) -> Does + Send + Sync + 'static) -> (Got, usize, bool) {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(does);
    let pause = Duration::from_millis(5);
    let settings = Settings { patience: Patience { pause, ..patience }, ..settings(&upstream.url(), dir.path()) };
    let proxy = start(settings);
    let got = get(proxy, ZIP);
    let asked = upstream.asked().len();
    let kept = || fs::read_dir(dir.path().join("store/records")).is_ok_and(|mut list| list.next().is_some());
    // It is kept after it was answered. What is not good is not kept at any time.
    for _ in 0..if status(&got) == Some(200) { 500 } else { 10 } {
        if kept() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    (got, asked, kept())
}

/// Whether the go command is told that there is none: at once, or, if it had begun to read, by an answer that breaks off.
pub(crate) fn is_refused(got: &Got) -> bool {
    matches!(got, Got::Cut | Got::Whole(502, _))
}

fn good() -> Vec<u8> {
    packed("a.test", "v1.0.0", SIZE)
}

#[test]
fn refusals_are_passed_on_at_once() {
    for said in [404, 410, 403, 401, 400] {
        let (got, asked, kept) = zip_from(move |_| Does::Status(said));
        assert_eq!((status(&got), asked, kept), (Some(said), 1, false), "{said}");
    }
    let (got, ..) =
        zip_from(|_| Does::With(403, "Content-Type: text/plain; charset=utf-8\r\n", b"it is private\n".to_vec()));
    assert_eq!(got, Got::Whole(403, b"it is private\n".to_vec()));
}

#[test]
fn errors_that_may_pass_are_tried_again_and_not_for_ever() {
    for said in [500, 502, 503, 429] {
        let (got, asked, kept) =
            zip_from(move |ask| if ask.before < 2 { Does::Status(said) } else { Does::Gives(good()) });
        assert_eq!((got, asked, kept), (whole(&good()), 3, true), "{said}");
        let (got, asked, kept) = zip_from(move |_| Does::Status(said));
        assert_eq!((status(&got), asked, kept), (Some(said), 4, false), "{said}");
    }
}

#[test]
fn silence_ends() {
    let short = Duration::from_millis(300);
    let patience = Patience { answer: short, silence: short, ..Patience::default() };
    let (got, asked, kept) = zip_within(patience, |_| Does::Sleeps);
    assert_eq!((status(&got), asked, kept), (Some(502), 1, false));
    let (_never, until) = std::sync::mpsc::sync_channel(0);
    let until = std::sync::Arc::new(std::sync::Mutex::new(until));
    let (got, _, kept) = zip_within(patience, move |_| Does::WaitsAt(200_000, good(), until.clone()));
    assert_eq!((is_refused(&got), kept), (true, false));
}

#[test]
fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    // With ranges: the rest alone.
    let (got, asked, kept) = zip_from(|ask| match ask.headers.get("range") {
        None => Does::CutsNamed(200_000, good()),
        Some(range) => {
            assert_eq!(ask.headers["if-range"], "\"x\"");
            let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
            let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", good().len() - 1, good().len());
            Does::With(206, headers.leak(), good()[from..].to_vec())
        }
    });
    assert_eq!((got, asked, kept), (whole(&good()), 2, true));
    // Without: all of it again.
    let (got, asked, kept) =
        zip_from(|ask| if ask.before < 3 { Does::CutsAt(100_000 * ask.before, good()) } else { Does::Gives(good()) });
    assert_eq!((got, asked, kept), (whole(&good()), 4, true));
    // And not for ever.
    let (got, asked, kept) = zip_from(|_| Does::CutsAt(200_000, good()));
    assert_eq!((is_refused(&got), asked, kept), (true, 4, false));
    let (got, asked, kept) = zip_from(|_| Does::HangsUp);
    assert_eq!((status(&got), asked, kept), (Some(502), 4, false));
}

#[test]
fn two_contents_are_not_mixed() {
    let other = || packed("a.test", "v1.0.0", SIZE + 1);
    let same_length = || {
        let mut bytes = good();
        bytes[1000] ^= 1;
        bytes
    };
    for second in [other, same_length] {
        let (got, _, kept) =
            zip_from(move |ask| if ask.before == 0 { Does::CutsAt(200_000, good()) } else { Does::Gives(second()) });
        assert_eq!((is_refused(&got), kept), (true, false));
    }
    // A rest that belongs to another content shows in the zip's checksums.
    let (got, _, kept) = zip_from(move |ask| match ask.before {
        0 => Does::CutsAt(200_000, good()),
        _ => {
            let from: usize = ask.headers["range"].trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
            let headers = format!("Content-Range: bytes {from}-{}/{}\r\n", good().len() - 1, good().len());
            let mut rest = good()[from..].to_vec();
            rest[10] ^= 1;
            Does::With(206, headers.leak(), rest)
        }
    });
    assert_eq!((is_refused(&got), kept), (true, false));
}

#[test]
fn what_is_not_it_is_not_kept_and_not_passed_on_whole() {
    let page = || b"<html><body>Sign in to the network</body></html>".to_vec();
    let (got, asked, kept) = zip_from(move |_| Does::Gives(page()));
    assert_eq!((status(&got), asked, kept), (Some(502), 1, false), "a page");
    let long_page = move || page().repeat(5000);
    let (got, _, kept) = zip_from(move |_| Does::Gives(long_page()));
    assert_eq!((is_refused(&got), kept), (true, false), "a long page");
    let (got, _, kept) = zip_from(move |_| Does::Gives(packed("b.test", "v1.0.0", SIZE)));
    assert_eq!((is_refused(&got), kept), (true, false), "another module");
    let (got, _, kept) = zip_from(move |_| Does::Gives(good()[..200_000].to_vec()));
    assert_eq!((is_refused(&got), kept), (true, false), "a file that was cut before it came there");
    let (got, _, kept) = zip_from(move |_| Does::GivesOpen(good()[..200_000].to_vec()));
    assert_eq!((is_refused(&got), kept), (true, false), "... with no length");
}

#[test]
fn all_ways_to_say_how_long_it_is_are_understood() {
    for does in [Does::Gives, Does::GivesChunks, Does::GivesOpen] {
        let (got, asked, kept) = zip_from(move |_| does(good()));
        assert_eq!((got, asked, kept), (whole(&good()), 1, true));
    }
    // A go.mod whose end is not marked may go on.
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|_| Does::GivesOpen(b"module a.test\n".to_vec()));
    let proxy = start(settings(&upstream.url(), dir.path()));
    // Who asks at once may get the same answer.
    for _ in 0..500 {
        assert_eq!(get(proxy, "a.test/@v/v1.0.0.mod"), whole(b"module a.test\n"));
        if upstream.asked().len() == 2 {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it was kept");
}
