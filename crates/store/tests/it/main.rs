//! The store from outside.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the part of a hostile file system")]

mod builds; // what one build sees, and what it keeps for itself
mod crash; // killed at every call, cut from its power
mod damage; // whatever is broken on disk is a miss, and mended by the next put
mod evict; // what goes, what stays, what a crash leaves
mod put_get; // what is put is got, under the rules for two outputs of one action

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::wire::Toolchain;
use proto::{ActionId, OutputId};
use sha2::{Digest, Sha256};
use store::{Access, Incoming, Namespace, Partition, Put, Replaces, Store};

fn open() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("state"), Access::Traversable).unwrap();
    (dir, store)
}

fn namespace() -> Namespace {
    Namespace::new(Partition::Common, &Toolchain { goroot: "/go".into(), ..Toolchain::default() })
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

fn put(n: u8, seconds: u64) -> Put {
    Put { action: action(n), time: at(seconds), cost_ms: 70, build: None, replaces: Replaces::Nothing }
}

fn publish(store: &Store, put: &Put, body: &[u8]) -> store::Published {
    store.publish(&namespace(), put, &mut receive(store, body)).unwrap()
}

fn found(store: &Store, n: u8) -> Option<store::Record> {
    store.find(&namespace(), &action(n), at(1000)).unwrap()
}

fn content(store: &Store, record: &store::Record) -> Option<Vec<u8>> {
    store.object(&record.output, record.size).unwrap().map(|path| std::fs::read(path).unwrap())
}
