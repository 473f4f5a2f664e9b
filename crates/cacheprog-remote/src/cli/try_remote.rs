//! The command `test`: what is wrong with a remote store, step by step.

use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::time::{Duration, Instant};

use proto::figures::{duration, number};
use remote::limits;
use sha2::{Digest, Sha256};

use super::failure::{Failure, print};
use crate::engine::{BodyFault, Content, Engine, EngineError, Phase, PutBody, Reply, Unavailability};
use crate::limits::MIN_BYTES_PER_SECOND;
use crate::object_name::ObjectName;

/// Bytes of the object that is put: a fault that begins in mid-body shows.
const SIZE: usize = 256 << 10;

/// How long a body may take, from the head of the answer on: four seconds. What is slower, no build waits for.
const DEADLINE: Duration = Duration::from_secs(SIZE as u64 / MIN_BYTES_PER_SECOND);

/// The part that is read by its range.
const RANGE: Range<usize> = 100_000..200_000;

/// What to do where a transfer is slow, or ends early.
const SLOW: &str = "the server or the link to it is slow, and no build waits for that. Look for a limit of the rate in the server (nginx: limit_rate) or in \
                    a proxy, and for what else uses the link; or take a server that is nearer";
const ENDED: &str = "the server, or a proxy or a firewall before it, closes connections too early. Look into its log, and at its limits of time and size";

/// Tries each step, and ends with the first that fails. What was put is removed then too.
pub(super) fn run(engine: &Engine, writes: bool) -> Result<(), Failure> {
    let body = body();
    let sha256: [u8; 32] = Sha256::digest(&body).into();
    let name = ObjectName::parse(&format!("o/{}", proto::id::hex(&sha256)))?;
    if writes {
        engine.put(&name, &PutBody { content: Content::Bytes(&body), sha256 }).map_err(not_written)?;
        let put = print(&format!("writing: an object of {} bytes was put", number(body.len() as u64)));
        let read = put.and_then(|()| whole(engine, &name, (&body, writes))).and_then(|()| range(engine, &name, &body));
        let removed = remove(engine, &name);
        if read.is_err() && removed.is_err() {
            print("removing: this failed too; the object stays until a rule of the store removes it")?;
        }
        read.and(removed)?;
    } else {
        whole(engine, &name, (&body, writes))?;
    }
    print(if writes {
        "the remote store can be used"
    } else {
        "the remote store can be read; --write tries to write too, and finds what is slow or breaks off"
    })
}

/// The object: the same bytes each time, which do not compress.
fn body() -> Vec<u8> {
    let block = |number: usize| Sha256::digest(format!("nix-gocacheprog: cacheprog-remote test {number}\n"));
    (0..SIZE / 32).flat_map(block).collect()
}

/// Reads the object as a whole.
fn whole(engine: &Engine, name: &ObjectName, (body, was_put): (&[u8], bool)) -> Result<(), Failure> {
    match engine.get(name, None, limits::MOST_FILE) {
        Ok(reply) => {
            if read("reading", reply, body.len())? != body {
                return Err("reading: the object has other bytes than were put: does something between here and there change bodies?".into());
            }
            print("reading: the object came back as it was put")
        }
        Err(e) if e.is_missing() && !was_put => {
            print("reading: the store answers; an object that was never put is not there")
        }
        Err(e) => Err(not_read(e)),
    }
}

/// Reads a part of it.
fn range(engine: &Engine, name: &ObjectName, body: &[u8]) -> Result<(), Failure> {
    let reply = engine.get(name, Some(RANGE.start as u64..RANGE.end as u64), RANGE.len() as u64).map_err(not_read)?;
    if read("reading a range", reply, RANGE.len())? != body[RANGE] {
        return Err("reading a range: other bytes came than those of the range".into());
    }
    print("reading a range: its bytes came")
}

/// Keys that may not remove are as good: what is put has an age, and a rule of the store removes it.
fn remove(engine: &Engine, name: &ObjectName) -> Result<(), Failure> {
    match engine.delete(name) {
        Ok(()) => print("removing: the object is gone"),
        Err(EngineError::Denied { .. }) => {
            print("removing: these credentials may not; the object stays until a rule of the store removes it")
        }
        Err(e) => Err(e.into()),
    }
}

/// A body of so many bytes.
fn read(step: &str, mut reply: Reply, size: usize) -> Result<Vec<u8>, Failure> {
    let (began, mut bytes, mut buffer) = (Instant::now(), Vec::new(), [0; 16 << 10]);
    while began.elapsed() < DEADLINE {
        match reply.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => match EngineError::of_read(e) {
                Some(EngineError::Slow { .. }) => break,
                Some(EngineError::Body { fault: BodyFault::Cut { .. }, .. }) => {
                    let came = number(bytes.len() as u64);
                    return Err(format!(
                        "{step}: the connection ended after {came} of {} bytes: {ENDED}",
                        number(size as u64)
                    )
                    .into());
                }
                Some(e) => return Err(e.into()),
                None => return Err(format!("{step}: the body broke off").into()),
            },
        }
    }
    Err(slow(step, (bytes.len(), size), began.elapsed()))
}

fn slow(step: &str, (came, size): (usize, usize), time: Duration) -> Failure {
    let tenths = came as u128 * 10 / time.as_millis().max(1); // a byte in a millisecond is 1 kB/s
    let (came, size, time) = (number(came as u64), number(size as u64), duration(time));
    format!("{step}: the bytes came at {}.{} kB/s ({came} of {size} in {time}): {SLOW}", tenths / 10, tenths % 10)
        .into()
}

fn not_written(e: EngineError) -> Failure {
    let size = number(SIZE as u64);
    match e {
        EngineError::Slow { ref at, phase: Phase::Send | Phase::FirstByte, limit } => {
            format!("{at}: {size} bytes were not taken within {}: {SLOW}", duration(limit)).into()
        }
        EngineError::Unavailable { ref at, cause: Unavailability::Lost(_) } => {
            format!("{at}: the connection ended while {size} bytes were sent, twice: {ENDED}").into()
        }
        e => e.into(),
    }
}

/// After a write that had success.
fn not_read(e: EngineError) -> Failure {
    match e {
        EngineError::Missing { at } => format!(
            "{at}: what was written is not there: the server took the object, and answers now that it does not exist. Reads go to another \
             place than writes, or something between here and there answers itself: look where the server has each method (nginx: root, \
             alias, proxy_pass), and at caches and copies before it"
        )
        .into(),
        e => e.into(),
    }
}
