use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;

use proto::BuildId;
use store::{Access, Published, Store, StoreError};

use crate::{action, content, found, open, output, publish, put, stage, view};

/// All threads publish different outputs of one action at once, each with a store of its own, as processes have.
fn race(root: &Path, n: u8, writers: u8) -> Vec<(u8, Published)> {
    let start = Barrier::new(usize::from(writers));
    let publish_one = |writer: u8| {
        let store = Store::open(root, Access::Owner).unwrap();
        let mut body = stage(&store, &[n, writer]);
        start.wait();
        // Another writer may hold the lock for long on a machine that has much to do: nothing was decided then.
        loop {
            match store.put(&view(), &put(n, 500), &mut body) {
                Err(StoreError::Busy { .. }) => {}
                published => return (writer, published.unwrap()),
            }
        }
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..writers).map(|writer| scope.spawn(move || publish_one(writer))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

#[test]
fn of_concurrent_puts_exactly_one_is_the_first() {
    let (_dir, store) = open();
    for n in 0..100 {
        let published = race(store.root(), n, 4);
        let first: Vec<_> = published.iter().filter(|(_, published)| *published == Published::New).collect();
        assert_eq!(first.len(), 1, "{published:?}");
        assert_eq!(content(&store, &found(&store, n).unwrap()).unwrap(), [n, first[0].0]);
    }
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn of_concurrent_replacements_of_a_lost_output_exactly_one_is_the_first() {
    let (_dir, store) = open();
    for n in 0..100 {
        publish(&store, &put(n, 500), b"lost");
        fs::remove_file(store.root().join(Store::object_name(&output(b"lost")))).unwrap();
        let published = race(store.root(), n, 4);
        let first: Vec<_> = published.iter().filter(|(_, published)| *published == Published::New).collect();
        assert_eq!(first.len(), 1, "{published:?}");
        assert_eq!(content(&store, &found(&store, n).unwrap()).unwrap(), [n, first[0].0]);
    }
}

/// What another process publishes. Not a test by itself.
#[test]
#[ignore = "started by the other tests of this file"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let store = Store::open(Path::new(&variable("STORE")), Access::Owner).unwrap();
    let body = variable("BODY");
    for n in 0..200 {
        let published = publish(&store, &put(n, 500), format!("{n} {body}").as_bytes());
        if published == Published::New {
            fs::write(format!("{}/{n}-{body}", variable("FIRST")), "").unwrap();
        }
    }
}

#[test]
fn of_two_processes_one_is_the_first() {
    let (dir, store) = open();
    let first = dir.path().join("first");
    fs::create_dir(&first).unwrap();
    let children: Vec<_> = ["one", "two"]
        .iter()
        .map(|body| {
            Command::new(std::env::current_exe().unwrap())
                .args(["concurrent_puts::child", "--exact", "--ignored"])
                .envs([("STORE", store.root().as_os_str()), ("FIRST", first.as_os_str()), ("BODY", body.as_ref())])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for n in 0..200 {
        let firsts: Vec<_> =
            ["one", "two"].into_iter().filter(|body| first.join(format!("{n}-{body}")).exists()).collect();
        assert_eq!(firsts.len(), 1, "{n}: {firsts:?}");
        assert_eq!(content(&store, &found(&store, n).unwrap()).unwrap(), format!("{n} {}", firsts[0]).as_bytes());
    }
}

#[test]
fn a_build_whose_put_came_too_late_keeps_its_output() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    // Its body is among the objects by then, as it is for one that finds out at its record.
    let mut late = stage(&store, b"late");
    store.put(&view(), &put(1, 500), &mut late).unwrap();
    build.keep("8:1", &put(2, 500), &mut late).unwrap();
    let kept = build.get("8:1", &action(2), std::time::SystemTime::now()).unwrap().unwrap();
    assert_eq!(fs::read(build.view().join("o").join(kept.output.id.to_string())).unwrap(), b"late");
}

#[test]
fn a_process_that_was_stopped_with_a_locked_record_blocks_no_other() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"first");
    let namespace = fs::read_dir(store.root().join("records")).unwrap().next().unwrap().unwrap().path();
    let name = action(1).to_string();
    let stopped = File::open(namespace.join(&name[..1]).join(name)).unwrap();
    stopped.lock().unwrap();
    assert_eq!(publish(&store, &put(1, 600), b"first"), Published::Again);
    assert!(matches!(publish(&store, &put(1, 600), b"second"), Published::Conflict(_)));
    assert_eq!(publish(&store, &put(2, 600), b"second"), Published::New);
    fs::remove_file(store.root().join(Store::object_name(&output(b"first")))).unwrap();
    assert!(
        store.put(&view(), &put(1, 600), &mut stage(&store, b"second")).is_err(),
        "it is refused, not kept waiting"
    );
    drop(stopped);
    assert_eq!(publish(&store, &put(1, 600), b"second"), Published::New);
}
