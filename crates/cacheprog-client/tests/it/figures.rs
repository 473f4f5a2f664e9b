use std::fs;
use std::path::Path;

use store::{GoCommands, GoFigures};

use crate::embedded::{files, start};
use crate::fake_go::Go;
use crate::sharing::{module, with_c};

/// The figures of each go command, the earliest first.
fn noted(store: &Path) -> Vec<GoFigures> {
    GoCommands::read(store).latest.iter().map(|one| one.figures).collect()
}

#[test]
fn the_store_notes_what_a_go_command_asked_for_and_got() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let body = b"!<arch>\nnot really";
    let mut go = start(dir.path());
    assert_eq!((go.get(1), go.get(2), go.get(2)), (None, None, None));
    go.put(1, body);
    go.get(1).unwrap();
    go.finish();
    let mut go = start(dir.path());
    for _ in 0..2 {
        assert_eq!(go.get(1).unwrap(), body);
    }
    go.finish();
    start(dir.path()).finish();
    let figures = noted(&store);
    let [cold, warm] = figures[..] else { panic!("one that asks for nothing is not noted: {figures:?}") };
    assert_eq!((cold.commands, cold.hits, cold.misses(), cold.new, cold.never_put), (1, 0, 1, 1, 1));
    assert_eq!((warm.commands, warm.hits, warm.misses(), warm.never_put), (1, 1, 0, 0));
    assert_eq!((cold.bytes_put, warm.bytes_served), (body.len() as u64, body.len() as u64));
    assert_eq!(GoCommands::read(&store).sums.iter().map(|sum| sum.figures.commands).sum::<u64>(), 2);
}

#[test]
fn what_was_made_and_not_kept_is_a_miss_without_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (store, spool) = (dir.path().join("store"), dir.path().join("gocache/00/nix-gocacheprog-spool"));
    let mut go = start(dir.path());
    go.put(1, b"kept");
    assert_eq!((go.get(2), go.get(3)), (None, None));
    // As on a full disk no new file can be made, in the store and in the spool.
    let tmp = store.join("tmp");
    fs::remove_dir(&tmp).unwrap();
    fs::write(&tmp, "").unwrap();
    fs::write(&spool, "").unwrap();
    for (action, body) in [(2, b"not kept".as_slice()), (3, &[7; 100_000])] {
        let id = go.ask_put(action, body);
        assert!(!Path::new(&go.stored(id)).exists());
    }
    fs::remove_file(&tmp).unwrap();
    fs::create_dir(&tmp).unwrap();
    go.finish();
    let figures = noted(&store)[0];
    assert_eq!((figures.bytes_put, figures.new, figures.never_put), (4, 2, 0));
}

#[test]
fn what_is_damaged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let mut go = start(dir.path());
    go.put(1, b"body");
    go.finish();
    files(&store.join("records")).iter().for_each(|record| fs::write(record, "damaged").unwrap());
    let mut go = start(dir.path());
    assert_eq!(go.get(1), None);
    go.put(1, b"body");
    go.finish();
    assert_eq!((noted(&store)[1].lost, noted(&store)[1].new), (1, 0));
}

#[test]
fn what_has_a_condition_and_no_object_any_more_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (module, cache) = (module(dir.path()), dir.path().join("xdg"));
    let store = cache.join("nix-gocacheprog");
    let path = std::env::var("PATH").unwrap();
    let env = [("XDG_CACHE_HOME", cache.to_str().unwrap()), ("PATH", &path), ("GOVERSION", "go1.26.8")];
    let start = |gocache: &str| Go::start_as_go(&dir.path().join(gocache), &module, &["build", "./..."], &env);
    let mut go = start("one");
    go.put(1, &with_c());
    go.finish();
    let mut go = start("two");
    assert!(go.get(1).is_some(), "its condition holds");
    go.finish();
    files(&store.join("objects")).iter().for_each(|object| fs::remove_file(object).unwrap());
    let mut go = start("three");
    assert_eq!(go.get(1), None);
    go.put(1, &with_c());
    go.finish();
    let figures = noted(&store)[2];
    assert_eq!((figures.lost, figures.condition), (1, 0));
}
