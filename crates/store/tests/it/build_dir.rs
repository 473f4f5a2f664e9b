use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use proto::{BuildId, Condition, Output, ScopeDigest, scopes};
use store::{Exposed, Exposure, Published, Put, Record};

use crate::{action, at, content, found, object_path, open, output, publish, put, stage, view};

#[test]
fn a_build_sees_what_was_exposed_to_it_and_nothing_else() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"one");
    publish(&store, &put(2, 500), b"two");
    let build = store.create_build(BuildId([1; 16])).unwrap();
    let record = found(&store, 1).unwrap();
    assert_eq!(build.expose(record.output, Exposure::Link).unwrap(), Exposed::Yes);
    assert_eq!(build.expose(record.output, Exposure::Link).unwrap(), Exposed::Yes, "again");
    let outputs = build.view().join("o");
    let names: Vec<_> =
        fs::read_dir(&outputs).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, [output(b"one").to_string()]);
    for (path, mode) in [(build.view(), 0o711), (outputs.clone(), 0o711), (outputs.join(&names[0]), 0o444)] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
    assert_eq!(build.expose(Output { id: output(b"never put"), size: 9 }, Exposure::Link).unwrap(), Exposed::No);
}

#[test]
fn a_link_shares_the_bytes_and_a_copy_does_not() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"body");
    let (id, size) = (output(b"body"), 4);
    let object = store.object(Output { id, size }).unwrap().unwrap();
    for (n, exposure, same) in [(1, Exposure::Link, true), (2, Exposure::Copy, false)] {
        let build = store.create_build(BuildId([n; 16])).unwrap();
        assert_eq!(build.expose(Output { id, size }, exposure).unwrap(), Exposed::Yes);
        let exposed = build.view().join("o").join(id.to_string());
        assert_eq!(fs::read(&exposed).unwrap(), b"body");
        assert_eq!(fs::metadata(&exposed).unwrap().ino() == fs::metadata(&object).unwrap().ino(), same);
        assert_eq!(fs::metadata(&exposed).unwrap().permissions().mode() & 0o777, 0o444);
    }
}

#[test]
fn a_cut_object_is_not_exposed_and_a_cut_link_is_replaced() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    publish(&store, &put(1, 500), b"body");
    let object = store.object(Output { id: output(b"body"), size: 4 }).unwrap().unwrap();
    assert_eq!(build.expose(Output { id: output(b"body"), size: 4 }, Exposure::Link).unwrap(), Exposed::Yes);
    fs::set_permissions(&object, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&object, b"").unwrap(); // the link shares this fate
    assert_eq!(build.expose(Output { id: output(b"body"), size: 4 }, Exposure::Link).unwrap(), Exposed::No);
    publish(&store, &put(1, 600), b"body");
    assert_eq!(build.expose(Output { id: output(b"body"), size: 4 }, Exposure::Link).unwrap(), Exposed::Yes);
    assert_eq!(fs::read(build.view().join("o").join(output(b"body").to_string())).unwrap(), b"body");
}

#[test]
fn what_a_build_keeps_for_itself_is_in_no_other_build_and_goes_with_it() {
    let (_dir, store) = open();
    let (one, two) = (store.create_build(BuildId([1; 16])).unwrap(), store.create_build(BuildId([2; 16])).unwrap());
    let (mut body, mut read) = (stage(&store, b"go index v2\nprivate"), [0; 8]);
    one.keep("8:1", &put(1, 500), &mut body).unwrap();
    body.read_exact_at(&mut read, 3).unwrap();
    assert_eq!(&read, b"index v2", "it can still be read");
    let kept = one.get("8:1", &action(1), at(0)).unwrap().unwrap();
    assert_eq!(kept.output.id, output(b"go index v2\nprivate"));
    assert_eq!(two.get("8:1", &action(1), at(0)).unwrap(), None);
    // Nor is it in another GOCACHE of the build.
    assert_eq!(one.get("8:2", &action(1), at(0)).unwrap(), None);
    one.keep("8:2", &put(1, 500), &mut stage(&store, b"go index v2\nother")).unwrap();
    assert_eq!(one.get("8:1", &action(1), at(0)).unwrap().unwrap(), kept);
    one.forget("8:2", &action(1)).unwrap();
    assert_eq!(one.get("8:2", &action(1), at(0)).unwrap(), None);
    assert_eq!(one.get("8:1", &action(1), at(0)).unwrap().unwrap(), kept);
    assert_eq!(found(&store, 1), None);
    assert_eq!(store.evictor().count().unwrap(), store::Totals::default());
    let view = one.view();
    let aside = one.retire().unwrap();
    assert!(!view.exists());
    assert_eq!(store.leftovers().unwrap(), std::slice::from_ref(&aside));
    store::remove_leftover(&aside).unwrap();
    assert!(store.leftovers().unwrap().is_empty());
    assert!(one.keep("8:1", &put(2, 500), &mut stage(&store, b"go index v2\nlate")).is_err(), "it does not come back");
    assert!(!view.exists());
    assert_eq!(store.builds().unwrap(), [BuildId([2; 16])]);
    store::remove_leftover(&one.retire().unwrap()).unwrap(); // twice does no harm
}

#[test]
fn a_kept_output_that_was_damaged_is_a_miss() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    build.keep("8:1", &put(1, 500), &mut stage(&store, b"go index v2\nprivate")).unwrap();
    fs::remove_file(build.view().join("o").join(output(b"go index v2\nprivate").to_string())).unwrap();
    let kept = build.get("8:1", &action(1), at(0)).unwrap().unwrap();
    assert_eq!(build.exposed(kept.output).unwrap(), Exposed::No);
}

#[test]
fn what_was_exposed_to_a_build_is_never_missing_while_it_is_replaced() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    let body = vec![7; 100_000];
    publish(&store, &put(1, 500), &body);
    let object = Output { id: output(&body), size: body.len() as u64 };
    assert_eq!(build.expose(object, Exposure::Link).unwrap(), Exposed::Yes);
    let exposed = build.view().join("o").join(output(&body).to_string());
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                assert_eq!(fs::metadata(&exposed).unwrap().len(), object.size);
            }
        });
        for n in 0..300 {
            publish(&store, &put(1, 600 + n), &body); // another file of the same content
            fs::File::open(&exposed).unwrap().set_modified(at(n)).unwrap(); // what was exposed is to be verified
            // (it may be the object itself, which is read then)
            assert!(store.object(object).unwrap().is_some());
            assert_eq!(build.expose(object, Exposure::Link).unwrap(), Exposed::Yes);
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn an_object_that_was_put_just_now_is_exposed_as_any_other() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    let object = Output { id: output(b"body"), size: 4 };
    for (exposure, published) in [(Exposure::Link, Published::New), (Exposure::Copy, Published::Again)] {
        assert_eq!(publish(&store, &put(1, 500), b"body"), published);
        assert_eq!(build.expose_published(object, exposure).unwrap(), Exposed::Yes);
        assert_eq!(build.expose_published(object, exposure).unwrap(), Exposed::Yes, "again");
        let exposed = build.view().join("o").join(object.id.to_string());
        assert_eq!(fs::read(&exposed).unwrap(), b"body");
        fs::remove_file(&exposed).unwrap();
    }
    fs::remove_file(store.object(object).unwrap().unwrap()).unwrap();
    assert_eq!(build.expose_published(object, Exposure::Link).unwrap(), Exposed::No, "evicted in between");
}

#[test]
fn what_a_build_kept_is_shared_as_the_file_that_it_has() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    let condition = Condition { scope: scopes::STD, digest: ScopeDigest([1; 32]) };
    for (n, exposure, condition) in [(1, Exposure::Link, None), (2, Exposure::Copy, Some(&condition))] {
        let body = vec![n; 100_000];
        build.keep("8:1", &put(n, 500), &mut stage(&store, &body)).unwrap();
        let kept = build.get("8:1", &action(n), at(0)).unwrap().unwrap();
        let share = |condition| {
            let put = Put { time: kept.time, condition, ..put(n, 0) };
            store.share(&view(), &put, (&build, &kept), exposure).unwrap()
        };
        assert_eq!(share(condition), Some(Published::New));
        assert_eq!(share(condition), Some(Published::Again));
        let there = store.get(&view(), &action(n), at(0)).unwrap();
        let record = there.plain.or(there.conditional.into_iter().next()).unwrap();
        assert_eq!(record, Record { condition: condition.cloned(), ..kept.clone() });
        assert_eq!(content(&store, &record).unwrap(), body);
        let inode = |path| fs::metadata(path).unwrap().ino();
        let own = build.view().join("o").join(output(&body).to_string());
        assert_eq!(inode(own) == inode(object_path(&store, &body)), exposure == Exposure::Link);
    }
    assert_eq!(store.evictor().count().unwrap(), store.counters().totals());
    assert_eq!(fs::read_dir(store.root().join("tmp")).unwrap().count(), 0);
}

#[test]
fn what_a_build_wrote_to_is_not_shared() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    for (n, exposure) in [(1, Exposure::Link), (2, Exposure::Copy)] {
        let body = vec![n; 100_000];
        build.keep("8:1", &put(n, 500), &mut stage(&store, &body)).unwrap();
        let kept = build.get("8:1", &action(n), at(0)).unwrap().unwrap();
        let own = build.view().join("o").join(output(&body).to_string());
        let time = fs::metadata(&own).unwrap().modified().unwrap();
        fs::set_permissions(&own, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&own, vec![7; 100_000]).unwrap();
        if exposure == Exposure::Copy {
            // Its time tells nothing, as a build under our own user may have set it.
            fs::File::options().write(true).open(&own).unwrap().set_modified(time).unwrap();
        }
        assert_eq!(store.share(&view(), &put(n, 500), (&build, &kept), exposure).unwrap(), None);
        assert_eq!(found(&store, n), None);
        assert!(!object_path(&store, &body).exists());
    }
}

/// As a build under our own uid could do it, whose directory is mounted in its sandbox.
#[test]
fn a_link_in_the_place_of_a_builds_outputs_leads_nowhere() {
    let (dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    publish(&store, &put(1, 500), b"body");
    let (outputs, outside) = (build.view().join("o"), dir.path().join("outside"));
    fs::create_dir(&outside).unwrap();
    fs::remove_dir(&outputs).unwrap();
    std::os::unix::fs::symlink(&outside, &outputs).unwrap();
    let exposed = build.expose(Output { id: output(b"body"), size: 4 }, Exposure::Copy);
    let kept = build.keep("8:1", &put(2, 500), &mut stage(&store, &[7; 100_000]));
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert!(exposed.is_err() && kept.is_err());
}

/// Opening it would wait for a writer.
#[test]
fn a_pipe_in_the_place_of_an_output_holds_nobody_up() {
    let (_dir, store) = open();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    build.keep("8:1", &put(1, 500), &mut stage(&store, b"body")).unwrap();
    let kept = build.get("8:1", &action(1), at(0)).unwrap().unwrap();
    let own = build.view().join("o").join(output(b"body").to_string());
    fs::remove_file(&own).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &own, rustix::fs::Mode::RUSR).unwrap();
    assert_eq!(store.share(&view(), &put(1, 500), (&build, &kept), Exposure::Copy).unwrap(), None);
    assert_eq!((build.exposed(kept.output).unwrap(), build.verify(kept.output).unwrap()), (Exposed::No, false));
    publish(&store, &put(1, 500), b"body");
    assert_eq!(build.expose(kept.output, Exposure::Copy).unwrap(), Exposed::Yes);
    assert_eq!(fs::read(&own).unwrap(), b"body");
}
