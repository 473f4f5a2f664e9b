use std::os::unix::fs::PermissionsExt;

use proto::Output;
use proto::wire::Toolchain;
use store::{Access, Found, Kind, Published, Put, Replaces, StageError, Store, View};

use crate::{action, at, content, found, open, output, publish, put, stage, view};

#[test]
fn what_is_put_is_got_whatever_its_size() {
    let (_dir, store) = open();
    for (n, size) in [(1, 0), (2, 1), (3, 64 << 10), (4, (64 << 10) + 1), (5, 3_000_000)] {
        let body: Vec<u8> = (0..size).map(|i: u32| (i * 31 % 253) as u8).collect();
        assert_eq!(publish(&store, &put(n, 500), &body), Published::New);
        let record = found(&store, n).unwrap();
        assert_eq!(
            (record.output.size, record.time, record.cost_ms, record.kind),
            (size.into(), at(500), 70, Kind::Content)
        );
        assert_eq!(content(&store, &record).unwrap(), body);
        let path = store.object(record.output).unwrap().unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o444);
        assert_eq!(path.extension(), None);
    }
    assert_eq!(found(&store, 9), None);
    let totals = store.evictor().count().unwrap();
    assert_eq!((totals.entries, totals.objects), (5, 5));
    assert_eq!(std::fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_namespace_sees_its_own_only() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    let parts = |goroot: &str, gotooldir: &str| {
        View::common(&Toolchain { goroot: goroot.into(), gotooldir: gotooldir.into(), ..Toolchain::default() })
    };
    for other in [parts("/other", ""), parts("/go", "/tools"), parts("", "/go"), parts("/g", "o")] {
        assert_eq!(store.get(&other, &action(1), at(0)).unwrap(), Found::default());
    }
    assert!(store.get(&parts("/go", ""), &action(1), at(0)).unwrap().plain.is_some());
}

#[test]
fn a_body_that_is_not_what_it_says_is_not_kept() {
    let (_dir, store) = open();
    let stage = |id, size, body: &[u8]| store.stage(Output { id, size }, &mut &body[..], &mut Vec::new());
    for size in [3usize, 100_000] {
        let body = vec![7; size];
        assert!(matches!(stage(output(b"other"), size as u64, &body), Err(StageError::Digest)));
        assert!(matches!(stage(output(&body), size as u64 + 1, &body), Err(StageError::Length(_))));
        assert!(matches!(stage(output(&body), size as u64 - 1, &body), Err(StageError::Length(_))));
    }
    assert_eq!(std::fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
    assert_eq!(store.evictor().count().unwrap().objects, 0);
}

#[test]
fn the_first_output_stays_and_the_same_again_moves_its_time_forward() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"first");
    assert!(matches!(publish(&store, &put(1, 600), b"second"), Published::Conflict(first) if first.time == at(500)));
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"first");
    let cheaper = Put { cost_ms: 5, ..put(1, 700) };
    assert_eq!(publish(&store, &cheaper, b"first"), Published::Again);
    let record = found(&store, 1).unwrap();
    assert_eq!((record.time, record.cost_ms), (at(700), 70));
    assert_eq!(publish(&store, &put(1, 650), b"first"), Published::Again);
    assert_eq!(found(&store, 1).unwrap().time, at(700), "never back");
}

#[test]
fn in_a_store_of_ones_own_the_latest_output_counts() {
    // As `go build -a` expects, which replaces an entry that Go's keys let go stale (a header elsewhere, say).
    let (_dir, store) = open();
    for body in [b"!<arch>\nfirst".as_slice(), b"!<arch>\nsecond", b"text"] {
        assert_eq!(publish(&store, &Put { replaces: Replaces::Any, ..put(1, 500) }, body), Published::New);
        assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), body);
    }
}

#[test]
fn many_writers_leave_one_whole_output() {
    let (dir, _store) = open();
    let root = dir.path().join("state");
    std::thread::scope(|scope| {
        for writer in 0..8u8 {
            let root = &root;
            scope.spawn(move || {
                let store = Store::open(root, Access::Traversable).unwrap();
                for n in 0..40 {
                    let body = vec![n ^ (writer & 1); 70_000 + usize::from(n)];
                    publish(&store, &put(n, 500), &body);
                    let record = found(&store, n).unwrap();
                    assert_eq!(output(&content(&store, &record).unwrap()), record.output.id);
                }
            });
        }
    });
    let store = Store::open(&root, Access::Traversable).unwrap();
    assert_eq!(store.list(&view()).unwrap().len(), 40);
    assert_eq!(std::fs::read_dir(root.join("tmp")).unwrap().count(), 0);
}

#[test]
fn foreign_files_are_left_alone() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    for path in ["notes.txt", "objects/notes", "records/notes", "builds/notes"] {
        std::fs::write(store.root().join(path), "mine").unwrap();
    }
    assert_eq!(store.evictor().count().unwrap().entries, 1);
    assert_eq!(store.list(&view()).unwrap().len(), 1);
    assert_eq!(store.builds().unwrap(), []);
    drop(stage(&store, b"another"));
    assert_eq!(std::fs::read(store.root().join("objects/notes")).unwrap(), b"mine");
}

#[test]
fn use_is_noted_hourly() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    let record = || {
        let dir = std::fs::read_dir(store.root().join("records")).unwrap().next().unwrap().unwrap().path();
        dir.join("0").join(action(1).to_string()).metadata().unwrap().modified().unwrap()
    };
    let written = record();
    store.get(&view(), &action(1), written + std::time::Duration::from_secs(3599)).unwrap().plain.unwrap();
    assert_eq!(record(), written);
    let later = written + std::time::Duration::from_secs(3601);
    store.get(&view(), &action(1), later).unwrap().plain.unwrap();
    assert_eq!(record(), later);
}

#[test]
fn a_test_result_and_its_list_replace_their_like_and_nothing_else() {
    let (_dir, store) = open();
    let publish_test = |n: u8, list: &[u8], result: &[u8]| {
        let (mut list, mut result) = (stage(&store, list), stage(&store, result));
        store.put_test(&view(), &put(n, 500), &mut list, &mut result).unwrap()
    };
    let list = b"nix-gocacheprog test inputs 1 a\n";
    assert_eq!(publish_test(1, list, b"ok  \tm\t1s\n"), Published::New);
    assert_eq!(publish_test(1, b"nix-gocacheprog test inputs 1 b\n", b"ok  \tm\t2s\n"), Published::New);
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"ok  \tm\t2s\n");
    let inputs = store.get_test_inputs(&view(), &action(1), at(0)).unwrap().unwrap();
    assert_eq!(content(&store, &inputs).unwrap(), b"nix-gocacheprog test inputs 1 b\n");
    publish(&store, &put(2, 500), b"!<arch>\nan archive");
    assert!(matches!(publish_test(2, list, b"ok  \tm\t1s\n"), Published::Conflict(_)));
    let same_kind = Put { replaces: Replaces::SameKind, ..put(2, 600) };
    assert!(matches!(publish(&store, &same_kind, b"# test log\n"), Published::Conflict(_)));
    assert_eq!(content(&store, &found(&store, 2).unwrap()).unwrap(), b"!<arch>\nan archive");
}
