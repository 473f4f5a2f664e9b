use std::io::Read;
use std::time::{Duration, Instant};

use cacheprog_remote::EngineError;

use crate::fake_engine::{Behavior, FakeEngine, Request, ok};
use crate::{http, impatient, name, read, s3, variant};

fn noise() -> Vec<u8> {
    (0..300_000_u32).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}

/// A server that answers to ranges as HTTP demands.
fn ranges(request: &Request) -> Behavior {
    let (from, to) = request.header("range").strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
    let header = format!("Content-Range: bytes {from}-{to}/{}\r\n", noise().len());
    Behavior::Send(206, header, noise()[from..=to].to_vec())
}

#[test]
fn a_whole_object_and_a_range_are_read_on_one_connection() {
    let server =
        FakeEngine::start(|request| if request.header("range").is_empty() { ok(&noise()) } else { ranges(request) });
    let engine = s3(&server);
    assert_eq!(read(&engine, None).unwrap(), noise());
    assert_eq!(read(&engine, Some(1000..250_000)).unwrap(), &noise()[1000..250_000]);
    assert_eq!(read(&engine, Some(299_999..300_000)).unwrap(), &noise()[299_999..]);
    assert_eq!(server.requests()[1].header("range"), "bytes=1000-249999");
    assert_eq!(engine.counters().bytes_down, 300_000 + 249_000 + 1);
}

#[test]
fn a_server_that_ignores_the_range_is_read_up_to_its_end() {
    let server = FakeEngine::start(|_| ok(&noise()));
    let engine = http(&server);
    for range in [0..10, 200_000..200_010, 299_990..300_000, 0..300_000] {
        let expected = &noise()[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()];
        assert_eq!(read(&engine, Some(range)).unwrap(), expected);
    }
    assert_eq!(variant(read(&engine, Some(299_990..300_001))), "Body");
    // Nothing of what follows the range is asked for: an endless body does no harm.
    let endless = FakeEngine::start(|_| {
        Behavior::Raw([b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n".to_vec(), noise()].concat())
    });
    assert_eq!(read(&http(&endless), Some(5..9)).unwrap(), &noise()[5..9]);
}

#[test]
fn another_range_than_the_one_asked_for_is_refused() {
    for (header, expected) in [
        ("Content-Range: bytes 0-9/100\r\n", "Protocol"),
        ("Content-Range: bytes 10-20/100\r\n", "Protocol"),
        ("Content-Range: bytes 10-14/15\r\n", "Body"),
        ("Content-Range: bytes 10-18446744073709551615/5\r\n", "Protocol"),
        ("Content-Range: bytes */100\r\n", "Protocol"),
        ("Content-Type: multipart/byteranges; boundary=x\r\n", "Protocol"),
    ] {
        let server = FakeEngine::start(move |_| Behavior::Send(206, header.to_owned(), vec![0; 10]));
        assert_eq!(variant(read(&http(&server), Some(10..20))), expected, "{header}");
    }
    let server = FakeEngine::start(|_| Behavior::Send(206, "Content-Range: bytes 10-19/100\r\n".into(), vec![0; 11]));
    assert_eq!(variant(read(&http(&server), Some(10..20))), "Protocol");
    let server = FakeEngine::start(|_| Behavior::Send(206, "Content-Range: bytes 0-9/10\r\n".into(), vec![0; 10]));
    assert_eq!(variant(read(&http(&server), None)), "Protocol");
}

#[test]
fn a_body_that_ends_early_is_never_taken_for_whole() {
    for at in [0, 1, 299_999] {
        for behavior in [Behavior::CutAt as fn(usize, Vec<u8>) -> Behavior, Behavior::ResetAt] {
            let server = FakeEngine::start(move |_| behavior(at, noise()));
            let error = read(&http(&server), None).unwrap_err();
            assert!(error.is_fault_of_engine(), "{error}");
            assert_eq!(variant::<()>(Err(error)), "Body", "{at}");
            // Bytes of the body came: it is not read again.
            assert_eq!(server.requests().len(), 1);
        }
    }
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let server = FakeEngine::start(move |_| Behavior::Raw(chunks.to_vec()));
    assert_eq!(variant(read(&http(&server), None)), "Body");
    let server = FakeEngine::start(move |_| Behavior::Raw([&chunks[..], b"0\r\n\r\n"].concat()));
    assert_eq!(read(&http(&server), None).unwrap(), b"hello");
    let server = FakeEngine::start(|_| Behavior::Raw(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec()));
    assert_eq!(variant(read(&http(&server), None)), "Protocol", "its end cannot be told from a lost connection");
    let server = FakeEngine::start(|_| Behavior::Send(200, "Content-Encoding: gzip\r\n".into(), vec![1; 10]));
    assert_eq!(variant(read(&http(&server), None)), "Protocol");
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length_or_as_it_comes() {
    let server = FakeEngine::start(|_| ok(&noise()));
    let error = http(&server).get(&name(), None, 299_999).unwrap_err();
    assert_eq!(variant::<()>(Err(error)), "TooLarge");
    let body = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"3e8\r\n".to_vec(), vec![0; 1000]]
        .concat();
    let server = FakeEngine::start(move |_| Behavior::Raw(body.clone()));
    let mut reply = http(&server).get(&name(), None, 999).unwrap();
    let error = reply.read_to_end(&mut Vec::new()).unwrap_err();
    assert!(matches!(EngineError::of_read(error), Some(EngineError::TooLarge { limit: Some(999), .. })));
    assert!(http(&server).get(&name(), Some(0..2000), 1999).is_err());
    assert!(http(&server).get(&name(), Some(5..5), 1999).is_err());
}

#[test]
fn a_drip_is_slow_and_a_steady_body_is_not() {
    let server = FakeEngine::start(|_| Behavior::Drip(100, noise()));
    let since = Instant::now();
    assert_eq!(variant(read(&impatient(&server), None)), "Slow");
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    // Twelve times the slowest rate, for more than two windows.
    let server = FakeEngine::start(|_| Behavior::Drip(80_000, vec![7; 2_000_000]));
    let mut reply = impatient(&server).get(&name(), None, 2_000_000).unwrap();
    let mut bytes = Vec::new();
    reply.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [7; 2_000_000]);
}

#[test]
fn a_caller_that_takes_its_time_is_not_a_slow_engine() {
    let server = FakeEngine::start(|_| ok(&noise()));
    let mut reply = impatient(&server).get(&name(), None, 1 << 20).unwrap();
    assert_eq!(reply.left(), Some(300_000));
    let (mut bytes, mut buffer) = (Vec::new(), [0; 150_000]);
    loop {
        match reply.read(&mut buffer).unwrap() {
            0 => break,
            read => bytes.extend_from_slice(&buffer[..read]),
        }
        if bytes.len() < 50_000 {
            std::thread::sleep(Duration::from_millis(1500));
        }
    }
    assert_eq!(bytes, noise());
}
