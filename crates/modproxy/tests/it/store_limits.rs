//! The limits of an embedded store, while the proxy serves.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use store::{Access, Limits, Size, Store};

use crate::fake_upstream::{Behavior, Upstream};
use crate::{get, packed, settings, start, wait_until, whole};

const SIZE: usize = 200_000;
const LIMIT: u64 = 1 << 20;

fn path(n: usize) -> String {
    format!("a.test/@v/v1.0.{n}.zip")
}

/// An upstream that has all versions.
fn upstream() -> Upstream {
    Upstream::start(|request| {
        let version = request.path.split_once("/@v/").unwrap().1.trim_end_matches(".zip");
        Behavior::Send(packed("a.test", version, SIZE))
    })
}

fn bytes(dir: &Path) -> u64 {
    Store::open(&dir.join("store"), Access::Owner).unwrap().evictor().count().unwrap().bytes
}

/// The files of all records.
fn records(dir: &Path) -> Vec<PathBuf> {
    let below = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).map(|list| list.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    };
    below(&dir.join("store/records")).iter().flat_map(|dir| below(dir)).flat_map(|dir| below(&dir)).collect()
}

#[test]
fn an_embedded_store_stays_within_its_size_while_the_proxy_serves() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = upstream();
    let mut settings = settings(&upstream.url(), dir.path());
    settings.limits.max_size = Some(Size::Bytes(LIMIT));
    let proxy = start(settings);
    let mut aged = HashSet::new();
    for n in 0..12 {
        assert_eq!(get(proxy, &path(n)), whole(&packed("a.test", &format!("v1.0.{n}"), SIZE)));
        let object = packed("a.test", &format!("v1.0.{n}"), SIZE);
        let output = proto::OutputId(<sha2::Sha256 as sha2::Digest>::digest(&object).into());
        wait_until(|| dir.path().join("store").join(Store::object_name(&output)).is_file());
        age(dir.path(), &mut aged, n as u64);
    }
    assert_eq!(upstream.requests().len(), 12);
    wait_until(|| bytes(dir.path()) <= LIMIT);
    assert!(bytes(dir.path()) > LIMIT / 2, "no more is evicted than necessary");
}

/// Makes new records an hour older. Otherwise all have the age 0 in seconds, and an eviction may choose the newest, whose object
/// is too young to be removed.
fn age(dir: &Path, aged: &mut HashSet<PathBuf>, n: u64) {
    let time = SystemTime::now() - Duration::from_secs(3600 - n);
    for record in records(dir).into_iter().filter(|record| aged.insert(record.clone())) {
        drop(fs::File::open(record).map(|file| file.set_modified(time)));
    }
}

#[test]
fn entries_older_than_the_age_limit_are_evicted() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = upstream();
    start_and_get(&upstream, dir.path(), 0, None);
    wait_until(|| records(dir.path()).len() == 1);
    let long_ago = SystemTime::now() - Duration::from_secs(90 * 24 * 3600);
    fs::File::open(&records(dir.path())[0]).unwrap().set_modified(long_ago).unwrap();
    start_and_get(&upstream, dir.path(), 1, Limits::default().max_age);
    wait_until(|| records(dir.path()).len() == 2 || records(dir.path()).len() == 1);
    wait_until(|| records(dir.path()).len() == 1);
    start_and_get(&upstream, dir.path(), 1, Limits::default().max_age);
    assert_eq!(upstream.requests(), [path(0), path(1)], "younger entries stay");
}

fn start_and_get(upstream: &Upstream, dir: &Path, n: usize, max_age: Option<Duration>) {
    let mut settings = settings(&upstream.url(), dir);
    settings.limits.max_age = max_age;
    assert_eq!(get(start(settings), &path(n)), whole(&packed("a.test", &format!("v1.0.{n}"), SIZE)));
}
