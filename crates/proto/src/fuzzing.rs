//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use std::fmt::Debug;
use std::io::BufReader;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::control::{Answer, Builds, Counts, Envelope};
use crate::gocmd::Requests;
use crate::limits;
use crate::parts::Parts;
use crate::profile::BuildProfile;
use crate::wire::{Hello, Reply, Request, Welcome, read_json_line, write_json_line};

/// What cmd/go says: a body is never longer than declared. The first byte is the size of the buffer.
pub fn request(input: &[u8]) {
    let Some((&buffer, bytes)) = input.split_first() else { return };
    let mut requests = Requests::new(BufReader::with_capacity(usize::from(buffer).max(1), bytes));
    while let Ok(Some(request)) = requests.read() {
        let mut body = requests.body(request.body_size);
        let mut piece = [0; 31];
        let mut read = 0;
        loop {
            match body.chunk(&mut piece) {
                Ok(0) => {
                    assert_eq!(read, request.body_size);
                    break;
                }
                Ok(n) => read += n as u64,
                Err(_) => break,
            }
            assert!(read <= request.body_size);
        }
    }
}

/// What our client sends: what is read is written back to the same bytes.
pub fn wire_request(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((id, request))) = Request::read(&mut rest) {
        let mut again = Vec::new();
        request.write(id, &mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again));
    }
}

/// What our daemon sends: what is read is written back to the same bytes.
pub fn wire_reply(bytes: &[u8]) {
    let mut rest = bytes;
    while let Ok(Some((id, reply))) = Reply::read(&mut rest) {
        let mut again = Vec::new();
        reply.write(id, &mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again));
    }
}

/// The first lines: a client's hello, a daemon's welcome, a request of the control socket and its answer. What is read is written
/// to a line that is read as the same.
pub fn hello(bytes: &[u8]) {
    line::<Hello>(bytes, limits::HELLO_LINE);
    line::<Welcome>(bytes, limits::HELLO_LINE);
    line::<Envelope>(bytes, limits::HELLO_LINE);
    match line::<Answer>(bytes, limits::CONTROL_ANSWER) {
        Some(Answer::Builds(builds)) => counts(&builds),
        Some(Answer::Status(status)) => counts(&status.builds),
        Some(Answer::Registered { .. } | Answer::Follows(_) | Answer::Error(_)) | None => {}
    }
}

fn line<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8], limit: usize) -> Option<T> {
    let read = read_json_line::<T>(&mut &bytes[..], limit).ok()?;
    let mut line = Vec::new();
    assert!(write_json_line(&mut line, &read).is_ok());
    // Fields that were left out are written, so that this line may be longer.
    let again = serde_json::from_slice::<T>(&line);
    assert_eq!(again.ok().as_ref(), Some(&read));
    assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1), "one line");
    Some(read)
}

/// Counters of any values are added, compared and written without an overflow.
fn counts(builds: &Builds) {
    let mut sum = Counts::default();
    for build in builds.all() {
        let counts = build.counts;
        assert_eq!(Counts::of(counts.values()), counts);
        assert!(counts.shareable_hits() <= counts.shareable_gets());
        let before = sum;
        sum.add(&counts);
        let is_less = |(sum, added): (u64, u64)| sum < added && sum != u64::MAX;
        assert!(!sum.values().into_iter().zip(counts.values()).any(is_less));
        let was_less = |(since, added): (u64, u64)| since > added;
        assert!(!sum.since(&before).values().into_iter().zip(counts.values()).any(was_less));
    }
}

/// Profiles as the daemon sends them, a line each: what is read is written to what is read as the same.
pub fn profile(bytes: &[u8]) {
    for read in bytes.split(|&byte| byte == b'\n').filter_map(BuildProfile::read) {
        let written = serde_json::to_vec(&read).unwrap_or_default();
        assert_eq!(BuildProfile::read(written.as_slice()), Some(read));
    }
}

/// The parts of conditions: two texts, with a NUL between, are read and compared, and what is written of one is within the bound and
/// is read back.
pub fn parts(bytes: &[u8]) {
    let middle = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let (one, two) = bytes.split_at(middle);
    let [one, two] = [one, two.get(1..).unwrap_or_default()].map(Parts::read);
    assert_eq!(one.differences(&two), two.differences(&one));
    assert!(one.differences(&one).is_empty());
    let written = one.write();
    assert!(written.len() <= limits::PARTS);
    assert_eq!(Parts::read(&written).write(), written);
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("request", request);
    testkit::check_seeds("wire_request", wire_request);
    testkit::check_seeds("wire_reply", wire_reply);
    testkit::check_seeds("hello", hello);
    testkit::check_seeds("profile", profile);
    testkit::check_seeds("parts", parts);
}
