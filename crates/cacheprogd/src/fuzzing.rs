//! What fuzz/ checks of the readers of this crate. The test runs each check on its seeds, without a fuzzer.

use std::fmt::Debug;
use std::io::{self, Read};
use std::path::{Component, Path};
use std::time::{Duration, UNIX_EPOCH};

use proto::limits;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::Kind;

use crate::builds::state_file::BuildState;
use crate::http::request::{Target, read};
use crate::limits::{HISTORY, HTTP_HEAD_BYTES};
use crate::session::toolchain_index::directory;
use crate::telemetry::build_profile::fuzzing::rejections;
use crate::telemetry::history::History;
use crate::telemetry::time_series::{Step, TimeSeries};
use crate::telemetry::trace::event::Events;

/// The bodies of puts: an index of one package names a directory below its module, and what follows its end does not matter.
pub fn body(bytes: &[u8]) {
    if let Some(dir) = directory(bytes) {
        assert!(is_below(dir), "{}", dir.display());
        assert!(!dir.is_absolute() && dir.as_os_str().len() < 1 << 14);
        let kind = Kind::of(&bytes[..bytes.len().min(32)], bytes, true);
        assert!(matches!(kind, Some(Kind::Mtime | Kind::TestResult)), "{kind:?}");
        assert_eq!(directory(&[bytes, b"more"].concat()), Some(dir));
    }
    let Ok(dir) = str::from_utf8(bytes) else { return };
    if dir.len() < 1 << 14 {
        assert_eq!(directory(&index(dir)), Some(Path::new(dir)).filter(|dir| is_below(dir)));
    }
}

fn is_below(dir: &Path) -> bool {
    dir.components().all(|part| matches!(part, Component::Normal(_)))
}

/// An index of a package without files, as cmd/go/internal/modindex/write.go makes one (Go 1.21-1.27).
fn index(dir: &str) -> Vec<u8> {
    let head = b"go index v2\n";
    let numbers = 4 + 3;
    let strings = u32::try_from(head.len() + 4 * numbers).unwrap_or(0);
    let package = strings - 4 * 3;
    let mut text = head.to_vec();
    for number in [strings, 1, 1, package, 0, 1, 0] {
        text.extend_from_slice(&number.to_le_bytes());
    }
    text.push(0); // the empty string
    let (low, high) = (dir.len() & 0x7f, dir.len() >> 7);
    let length = if high == 0 { vec![low] } else { vec![low | 0x80, high] };
    text.extend(length.into_iter().filter_map(|byte| u8::try_from(byte).ok()));
    text.extend_from_slice(dir.as_bytes());
    text
}

/// No time of a build is later: the same in milliseconds.
const END_OF_TIME_MS: u64 = limits::END_OF_TIME * 1000;

/// The files in the state directory: what is read is written to what is read as the same, and no number in it is too large.
pub fn state_files(bytes: &[u8]) {
    if let Ok(state) = BuildState::parse(bytes) {
        let started = UNIX_EPOCH.checked_add(Duration::from_secs(state.started));
        assert!(started.is_some() && state.started_ms().max(state.last_used_ms) < END_OF_TIME_MS);
        let written = serde_json::to_vec(&state).unwrap_or_default();
        let again = BuildState::parse(&written).ok().and_then(|state| serde_json::to_vec(&state).ok());
        assert_eq!(again.as_ref(), Some(&written));
    }
    let mut history = History::parse("history.json".into(), bytes);
    let ended = history.ended();
    same(&ended);
    history.push(ended.into_iter().next().unwrap_or_default());
    assert!((1..=HISTORY).contains(&history.ended().len()));
    if let Ok(series) = serde_json::from_slice::<TimeSeries>(bytes) {
        time_series(series);
    }
    trace(bytes);
}

fn same<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let written = serde_json::to_vec(value).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<T>(&written).ok().as_ref(), Some(value));
}

fn time_series(mut series: TimeSeries) {
    same(&series);
    let now = 1_800_000_000;
    series.forget_after(now);
    let counted = series.usage(now);
    assert!(counted.hour.counts.gets <= counted.day.counts.gets);
    let mut new = Step { at: now, builds: 1, ..Step::default() };
    new.counts.gets = 1;
    series.add(&new);
    let usage = series.usage(now);
    for span in [usage.hour, usage.day, usage.month] {
        assert!(span.counts.gets > 0 && span.builds > 0);
    }
}

/// What is read of a trace is written to a trace of the same events, and an end that was cut off is left out. That end stands for the
/// parts of conditions.
fn trace(bytes: &[u8]) {
    let mut events = Events::new(bytes);
    let read: Vec<_> = events.by_ref().collect();
    let whole = usize::try_from(events.whole_bytes()).unwrap_or(usize::MAX);
    assert!(whole <= bytes.len());
    let mut written = Vec::new();
    read.iter().for_each(|event| event.write(&mut written));
    assert_eq!(Events::new(written.as_slice()).collect::<Vec<_>>(), read);
    assert_eq!(Events::new(&bytes[..whole]).collect::<Vec<_>>(), read);
    rejections(&read, &bytes[whole..]);
}

/// The heads of requests to the page: the same in pieces, and no host but this machine gets an answer.
pub fn http(bytes: &[u8]) {
    const OWN: &str = "own.example";
    let bytes = &bytes[..bytes.len().min(HTTP_HEAD_BYTES)];
    let request = read(&mut Pieces { bytes, size: bytes.len() }, OWN);
    for size in [1, 7] {
        assert_eq!(read(&mut Pieces { bytes, size }, OWN), request);
    }
    if let Some(line) = bytes.iter().position(|&byte| byte == b'\n') {
        let (first, rest) = bytes.split_at(line + 1);
        let elsewhere = [first, b"Host: elsewhere.example\r\n", rest].concat();
        let target = read(&mut elsewhere.as_slice(), OWN).target;
        assert!(matches!(target, Target::Misdirected | Target::BadRequest), "{target:?}");
    }
}

/// Gives so many bytes at a time.
struct Pieces<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.size.min(buffer.len());
        self.bytes.read(&mut buffer[..size])
    }
}

#[test]
fn seeds_pass() {
    testkit::check_seeds("body", body);
    testkit::check_seeds("state_files", state_files);
    testkit::check_seeds("http", http);
}
