//! The store from outside.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the part of a hostile file system")]

mod blinded_table; // what a build's table has, and what takes it out
mod build_dir; // what one build sees, and what it keeps for itself
mod concurrent_puts; // two writers of one action
mod conditions; // what is true where a scope holds the same
mod crash; // killed at every call, cut from its power
mod damage; // what is broken on disk is a miss, and repaired by the next put
mod disk_full; // a disk without inodes, and whose the unfinished files are
mod evict; // what goes, what stays, what a crash leaves
mod former_format; // a store of the format before
mod io_errors; // a disk that refuses to look
mod layer; // what is exported, and read of it
mod partitions; // what is for one user
mod put_get; // what is put is got, under the rules for two outputs of one action
mod quarantine; // what is taken out of service
mod recovery; // a sync that failed, and what a get costs after a stop

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::wire::Toolchain;
use proto::{ActionId, Output, OutputId};
use sha2::{Digest, Sha256};
use store::{Access, Origin, Put, Record, Replaces, Shutdown, StagedBody, Store, View};

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

fn stage(store: &Store, body: &[u8]) -> StagedBody {
    let (output, mut reader) = (Output { id: output(body), size: body.len() as u64 }, body);
    store.stage(output, &mut reader, &mut Vec::new()).unwrap()
}

fn put(n: u8, seconds: u64) -> Put<'static> {
    let (origin, condition) = (origin(), None);
    Put { action: action(n), time: at(seconds), cost_ms: 70, origin, condition, replaces: Replaces::Nothing }
}

fn publish(store: &Store, put: &Put<'_>, body: &[u8]) -> store::Published {
    store.put(&view(), put, &mut stage(store, body)).unwrap()
}

fn found(store: &Store, n: u8) -> Option<Record> {
    store.get(&view(), &action(n), at(1000)).unwrap().plain
}

fn content(store: &Store, record: &Record) -> Option<Vec<u8>> {
    store.object(record.output).unwrap().map(|path| fs::read(path).unwrap())
}

fn object_path(store: &Store, body: &[u8]) -> PathBuf {
    store.root().join(Store::object_name(&output(body)))
}

/// The store, in which what was made in these spans of time is to be verified.
fn unsynced(store: Store, spans: &[(u64, u64)]) -> Store {
    store.recovery().mark_unsynced(spans);
    store
}

/// The store of a daemon that starts.
fn resumed(store: Store, shutdown: Shutdown, boot: &str) -> Store {
    store.recovery().resume_after(shutdown, boot, SystemTime::now());
    store
}

/// The store of a process without a daemon.
fn resumed_since_boot(store: Store, boot: &str) -> Store {
    drop(store.recovery().resume_since_boot(boot, SystemTime::now()));
    store
}

/// Other bytes of the same size under the same times, as a file system leaves that lost them in a power cut.
fn lose_bytes(store: &Store, body: &[u8]) {
    let path = object_path(store, body);
    let times = fs::metadata(&path).unwrap().modified().unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, vec![0; body.len()]).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
}
