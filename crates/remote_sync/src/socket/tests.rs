//! What is asked for over a socket is answered as if it was asked for here.

use std::io::{Cursor, Read};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use super::*;
use crate::fixture::Memory;
use crate::objects::{Body, ObjectError, Objects};

/// Asks over a socket what `objects` has, in so many connections.
fn over_socket(objects: &(dyn Objects + Sync), connections: usize, ask: impl FnOnce(&dyn Objects)) {
    within(Duration::from_secs(10), objects, connections, ask);
}

/// The same, with this deadline.
fn within(deadline: Duration, objects: &(dyn Objects + Sync), connections: usize, ask: impl FnOnce(&dyn Objects)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::scope(|scope| {
        scope.spawn(move || (0..connections).for_each(|_| drop(answer(&listener.accept().unwrap().0, objects))));
        ask(&RemoteObjects::new(path, deadline));
    });
}

fn read(body: Option<Body<'_>>) -> Option<Vec<u8>> {
    body.map(|mut body| {
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

#[test]
fn objects_are_put_and_read_over_a_socket() {
    let (memory, large) = (Memory::default(), vec![7; 3 * CHUNK + 5]);
    over_socket(&memory, 6, |objects| {
        objects.put("o/large", &large).unwrap();
        objects.put("o/empty", b"").unwrap();
        assert_eq!(read(objects.get("o/large", None).unwrap()), Some(large.clone()));
        assert_eq!(read(objects.get("o/large", Some(5..9)).unwrap()), Some(vec![7; 4]));
        assert_eq!(read(objects.get("o/empty", None).unwrap()), Some(Vec::new()));
        assert_eq!(read(objects.get("o/none", None).unwrap()), None);
    });
}

#[test]
fn what_the_engine_refuses_is_told() {
    let memory = Memory::default();
    memory.deny(1);
    over_socket(&memory, 2, |objects| {
        let error = objects.get("o/x", None).err().unwrap();
        assert!(matches!(error, ObjectError::Denied(_)), "{error}");
        assert_eq!(error.to_string(), "status 403");
        assert!(matches!(objects.get("o/x", None), Ok(None)));
    });
}

/// An engine to which a slow network leads.
#[derive(Debug)]
struct Far;

impl Objects for Far {
    fn get(&self, _: &str, _: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        Ok(None)
    }

    fn put(&self, _: &str, _: &[u8]) -> Result<(), ObjectError> {
        thread::sleep(Duration::from_millis(600));
        Ok(())
    }
}

#[test]
fn a_put_is_waited_for_as_long_as_its_body_takes_on_a_slow_network() {
    let put = |bytes: usize| {
        let mut result = Ok(());
        within(Duration::from_millis(200), &Far, 1, |objects| result = objects.put("o/x", &vec![0; bytes]));
        result.is_ok()
    };
    assert!(put(64 << 10), "a second more");
    assert!(!put(1000), "cacheprog-remote hangs");
}

/// An engine whose bodies break off.
#[derive(Debug)]
struct Breaking;

impl Objects for Breaking {
    fn get(&self, _: &str, _: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        let broken = Cursor::new(vec![1; 10]).chain(Fails);
        Ok(Some(Box::new(broken)))
    }

    fn put(&self, _: &str, _: &[u8]) -> Result<(), ObjectError> {
        Err("\u{1}".repeat(LINE).as_str().into())
    }
}

struct Fails;

impl Read for Fails {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("the server is gone"))
    }
}

#[test]
fn a_body_that_breaks_off_is_no_whole_one() {
    over_socket(&Breaking, 2, |objects| {
        let mut body = objects.get("o/x", None).unwrap().unwrap();
        let mut bytes = Vec::new();
        assert_eq!(body.read_to_end(&mut bytes).unwrap_err().to_string(), "the server is gone");
        assert_eq!(bytes, [1; 10]);
        let error = objects.put("o/x", b"body").unwrap_err().to_string();
        assert!(error.len() <= LINE && error.starts_with('\u{1}'), "{error:?}");
    });
}

#[test]
fn a_program_that_is_not_there_or_says_something_else_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sock");
    let objects = RemoteObjects::new(path.clone(), Duration::from_secs(10));
    assert!(objects.get("o/x", None).is_err_and(|e| e.to_string().contains("sock")));
    let listener = UnixListener::bind(&path).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            for bytes in [b"\"found\"\n\xff\xff\xff\x7f".as_slice(), b"{}\n", b"\"done\"\n", b""] {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut [0; 20]).unwrap();
                stream.write_all(bytes).unwrap();
            }
        });
        let mut body = objects.get("o/x", None).unwrap().unwrap();
        assert!(body.read_to_end(&mut Vec::new()).is_err(), "a chunk that is too long");
        for _ in 0..3 {
            assert!(objects.get("o/x", None).is_err());
        }
    });
}
