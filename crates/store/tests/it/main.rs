//! The store from outside.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the part of a hostile file system")]

mod at_once; // two writers of one action
mod builds; // what one build sees, and what it keeps for itself
mod conditions; // what is true where a scope holds the same
mod crash; // killed at every call, cut from its power
mod damage; // whatever is broken on disk is a miss, and mended by the next put
mod evict; // what goes, what stays, what a crash leaves
mod former; // a store of the format before
mod no_room; // a disk without inodes, and who has what is unfinished
mod put_get; // what is put is got, under the rules for two outputs of one action
mod unreadable; // a disk that refuses to look
mod unsynced; // a sync that failed, and what a get costs after a stop

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::wire::Toolchain;
use proto::{ActionId, OutputId};
use sha2::{Digest, Sha256};
use store::{Access, Found, Incoming, Origin, Put, Record, Replaces, Store, View};

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state"), Access::Traversable).unwrap();
    (dir, store)
}

fn view() -> View {
    View::common(&Toolchain { goroot: "/go".into(), ..Toolchain::default() })
}

fn origin() -> &'static Origin {
    static ORIGIN: LazyLock<Origin> = LazyLock::new(|| view().origin(None, ""));
    &ORIGIN
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn action(n: u8) -> ActionId {
    ActionId([n; 32])
}

fn output(body: &[u8]) -> OutputId {
    OutputId(Sha256::digest(body).into())
}

fn receive(store: &Store, body: &[u8]) -> Incoming {
    let mut body_reader = body;
    store.receive(output(body), body.len() as u64, &mut body_reader, &mut Vec::new()).unwrap()
}

fn put(n: u8, seconds: u64) -> Put<'static> {
    let (origin, condition) = (origin(), None);
    Put { action: action(n), time: at(seconds), cost_ms: 70, origin, condition, replaces: Replaces::Nothing }
}

fn publish(store: &Store, put: &Put<'_>, body: &[u8]) -> store::Published {
    store.publish(&view(), put, &mut receive(store, body)).unwrap()
}

fn found(store: &Store, n: u8) -> Option<Record> {
    store.find(&view(), &action(n), at(1000)).unwrap().map(plain)
}

fn plain(found: Found) -> Record {
    match found {
        Found::Plain(record) => record,
        Found::Conditional(..) => panic!("it has conditions: {found:?}"),
    }
}

fn content(store: &Store, record: &Record) -> Option<Vec<u8>> {
    store.object(&record.output, record.size).unwrap().map(|path| fs::read(path).unwrap())
}

fn object_path(store: &Store, body: &[u8]) -> PathBuf {
    store.root().join(Store::object_name(&output(body)))
}

/// Other bytes of the same size under the same times, as a file system leaves that lost them in a power cut.
fn lose_bytes(store: &Store, body: &[u8]) {
    let path = object_path(store, body);
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, vec![0; body.len()]).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
}
