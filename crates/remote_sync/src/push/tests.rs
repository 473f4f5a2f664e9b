//! What goes to a remote store, and when nothing does.

use super::*;
use crate::fixture::*;
use proto::OutputId;
use remote::keys::TrustedKeys;
use remote::series::STD;

/// The index of key 1.
fn read(objects: &Memory, name: &str) -> Index {
    let objects = objects.objects.lock().unwrap();
    let (series, trusted) = (series(name), TrustedKeys::new(vec![key(1).public()]));
    let head = &objects[&name::head(&series, &key(1).public().id())];
    let head = Head::read(head, &series, &trusted, NOW, |_| 0).unwrap().0;
    Index::read(&objects[&name::index(&head.index)], &series, &trusted).unwrap().0
}

fn store_in(dir: &tempfile::TempDir) -> Store {
    store(dir.path())
}

fn local() -> (tempfile::TempDir, Store, Memory) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    put(&store, 1, &[1; 3000], None);
    put(&store, 2, &[2; 3000], asm().as_ref());
    (dir, store, Memory::default())
}

#[test]
fn an_upload_asks_once_whether_something_is_there() {
    let (_dir, store, objects) = local();
    push(&store, &objects, "m@main", |_| {});
    let (found, base): (&'static Found, _) = (Box::leak(Box::default()), [series("m@main")]);
    let requests = |name: &str, bases: &[Series]| {
        objects.take_log();
        push_after(&store, &objects, (name, bases, 1), |push| push.found = found);
        objects.take_log()
    };
    let file = objects.names("o/").pop().unwrap();
    let asks = |log: &[String]| log.iter().filter(|line| line.contains(&file)).count();
    assert_eq!(asks(&requests("m@main", &[])), 1);
    assert_eq!(asks(&requests("m@branch", &base)), 0);
}

#[test]
fn an_edit_adds_a_file_an_index_and_a_head() {
    let (_dir, store, objects) = local();
    assert!(push(&store, &objects, "m@main", |_| {}).is_new);
    let first = objects.names("o/");
    put(&store, 3, &[3; 3000], None);
    objects.take_log();
    let pushed = push(&store, &objects, "m@main", |push| push.now += 60);
    assert_eq!((pushed.entries, pushed.outputs, pushed.files, pushed.is_new), (3, 1, 1, true));
    let requests: Vec<_> = objects.take_log().iter().map(|line| line[..6].to_owned()).collect();
    // Are index and file still there? Did another job put a head meanwhile?
    assert_eq!(requests, ["GET h/", "GET p/", "GET o/", "PUT o/", "PUT p/", "GET h/", "PUT h/"]);
    assert!(first.iter().all(|file| objects.names("o/").contains(file)));
}

#[test]
fn an_old_copy_of_the_head_is_asked_for_again() {
    let (_dir, store, objects) = local();
    push(&store, &objects, "m@main", |_| {});
    let old = |name: &str, bytes: Vec<u8>| {
        let head =
            Head { series: series("m@main"), counter: 1, created: 1, expires: NOW + 1, index: ContentHash::of(b"") };
        if name.starts_with("h/") { head.write(&key(1)).into_bytes() } else { bytes }
    };
    objects.fail(2, old);
    objects.take_log();
    assert!(!push(&store, &objects, "m@main", |_| {}).is_new);
    let heads = objects.take_log().iter().filter(|line| line.starts_with("GET h/")).count();
    assert_eq!(heads, 3);
    objects.fail(3, old);
    assert!(push(&store, &objects, "m@main", |_| {}).is_new, "the store gives back no other");
}

#[test]
fn what_is_there_is_not_put_again_until_it_has_aged() {
    let (_dir, store, objects) = local();
    push(&store, &objects, "m@main", |_| {});
    objects.take_log();
    let again = push(&store, &objects, "m@main", |push| push.now += 60);
    assert_eq!((again.is_new, again.bytes, objects.take_log().len()), (false, 0, 3));
    // The head has to be newer than the rule of the store, the file too.
    let later = push(&store, &objects, "m@main", |push| push.now += PERIOD / 4);
    assert_eq!((later.is_new, later.files), (true, 0));
    let aged = push(&store, &objects, "m@main", |push| push.now += PERIOD / 2 + 1);
    assert_eq!((aged.is_new, aged.files, aged.aged), (true, 1, 1));
    let after = push(&store, &objects, "m@main", |push| push.now += PERIOD / 2 + 2);
    assert_eq!((after.is_new, after.files), (false, 0), "its age counts from then on");
}

#[test]
fn only_what_is_true_elsewhere_and_was_used_is_put() {
    let (_dir, store, objects) = local();
    put(&store, 3, b"with C", with_c().as_ref());
    put(&store, 4, b"# test log\nopen x\n", None);
    put(&store, 5, b"go index v2\nx", None);
    assert_eq!(push(&store, &objects, "m@main", |_| {}).entries, 2);
    assert_eq!(push(&store, &objects, "m@main", |push| push.conditional = Conditional::All).entries, 3);
    let in_an_hour = later(3600);
    objects.take_log();
    assert_eq!(push(&store, &objects, "m@main", |push| push.used = Used::Since(in_an_hour)), Pushed::default());
    assert!(objects.take_log().iter().all(|line| line.starts_with("GET")), "nothing was used: what is there stays");
}

#[test]
fn what_another_key_signed_is_not_signed_again_and_ones_own_is() {
    let (_dir, there, objects) = local();
    push(&there, &objects, "m@main", |_| {});
    let dir = tempfile::tempdir().unwrap();
    let here = store(dir.path());
    assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 2);
    put(&here, 3, b"made here", None);
    assert_eq!(push_after(&here, &objects, ("m@pr", &[], 2), |_| {}).entries, 1);
    assert_eq!(push(&here, &objects, "m@pr", |_| {}).entries, 3);
}

#[test]
fn a_branch_refers_to_the_files_of_the_one_it_comes_from() {
    let (_dir, store, objects) = local();
    push(&store, &objects, "m@main", |_| {});
    put(&store, 3, b"made on the branch", None);
    let bases = [series("m@main")];
    let pushed = push_after(&store, &objects, ("m@pr", &bases, 1), |_| {});
    assert_eq!((pushed.entries, pushed.outputs, objects.names("o/").len()), (3, 1, 2));
    let dir = tempfile::tempdir().unwrap();
    let here = store_in(&dir);
    assert_eq!(pull(&here, &objects, "m@pr", &[1]).admitted, 3);
    assert_eq!(found(&here), found(&store));
}

#[test]
fn what_other_jobs_used_lately_stays() {
    let (_dir, there, objects) = local();
    push(&there, &objects, "m@main", |_| {});
    let dir = tempfile::tempdir().unwrap();
    let here = store_in(&dir);
    put(&here, 3, b"of another job", None);
    here.mark_unused_since(&view(), &action(3), later(100));
    let entries = |after| {
        push(&here, &objects, "m@main", |push| push.used = Used::Since(later(0) - Duration::from_secs(after))).entries
    };
    assert_eq!([50, 49].map(entries), [3, 1]);
}

#[test]
fn what_a_build_used_takes_the_place_of_what_the_one_before_used() {
    let (_dir, store, objects) = local();
    put(&store, 3, &[3; 3000], None);
    let used = |objects: &Memory, used: &[u8]| {
        let used = used_by(used);
        push_used((&store, Used::By(&used)), objects, ("m", &[], 1), |_| {});
        read(objects, "m").entries.iter().map(|entry| entry.action.0[0]).collect::<Vec<_>>()
    };
    assert_eq!(used(&objects, &[2, 1, 9, 2]), [2, 1], "in the order of use");
    assert_eq!(used(&objects, &[3, 1]), [3, 1]);
}

/// A build that was given these.
fn used_by(used: &[u8]) -> UsedByBuild {
    UsedByBuild {
        actions: used.iter().map(|n| action(*n)).collect(),
        outputs: used.iter().map(|n| OutputId(Sha256::digest([*n; 3000]).into())).collect(),
        conditions: asm().into_iter().map(|condition| condition.digest).collect(),
    }
}

#[test]
fn gos_own_packages_are_for_builds_of_names_that_have_nothing() {
    let (_dir, store, objects) = local();
    put(&store, 3, &[3; 3000], std().as_ref());
    put(&store, 4, &[4; 3000], std().as_ref());
    let bases = [series(STD)];
    let push_std = |used: &[u8], now| {
        let used = used_by(used);
        push_used((&store, Used::StdBy(&used)), &objects, (STD, &[], 1), |push| push.now = now).entries
    };
    assert_eq!(push_std(&[1, 2, 3], NOW), 1, "nothing of others");
    assert_eq!(push_std(&[1, 4], NOW + 60), 2, "those of another build stay");
    let used = used_by(&[1, 2, 3]);
    let pushed = push_used((&store, Used::By(&used)), &objects, ("m", &bases, 1), |_| {});
    assert_eq!((pushed.entries, pushed.outputs), (3, 2), "they are packed once");
    let [known, unknown] = ["m", "new"].map(|name| {
        let dir = tempfile::tempdir().unwrap();
        let here = store_in(&dir);
        pull(&here, &objects, name, &[1]);
        found(&here).into_iter().map(|(n, _)| n).collect::<Vec<_>>()
    });
    assert_eq!((known, unknown), (vec![1, 2, 3], vec![3, 4]));
    store.mark_unused_since(&view(), &action(4), later(PERIOD));
    assert_eq!(push_std(&[4], NOW + PERIOD), 1, "what is not used goes");
}

#[test]
fn a_build_that_used_little_hides_nothing_of_those_before() {
    let (_dir, store, objects) = local();
    (3..9).for_each(|n| put(&store, n, &[n; 3000], None));
    let entries = |used: &[u8]| {
        let used = used_by(used);
        push_used((&store, Used::By(&used)), &objects, ("m", &[], 1), |_| {}).entries
    };
    assert_eq!(entries(&[1, 3, 4, 5, 6, 7, 8]), 7);
    assert_eq!(entries(&[1]), 7, "it failed early");
    assert_eq!(entries(&[3, 4, 5, 6]), 4);
}

#[test]
fn what_the_build_was_not_given_is_not_signed() {
    let (_dir, store, objects) = local();
    put(&store, 3, &[4; 3000], None); // another build's, which this one refused
    put(&store, 5, &[5; 3000], with_c().as_ref());
    let mut used = used_by(&[1, 3, 5]);
    used.conditions.clear();
    push_used((&store, Used::By(&used)), &objects, ("m", &[], 1), |push| push.conditional = Conditional::All);
    assert_eq!(read(&objects, "m").entries.iter().map(|entry| entry.action).collect::<Vec<_>>(), [action(1)]);
}

#[test]
fn a_file_or_an_index_that_the_remote_store_lost_is_put_once_more() {
    for lost in ["o/", "p/"] {
        let (_dir, store, objects) = local();
        push(&store, &objects, "m@main", |_| {});
        objects.objects.lock().unwrap().retain(|name, _| !name.starts_with(lost));
        let pushed = push(&store, &objects, "m@main", |push| push.now += 60);
        assert_eq!((pushed.outputs, pushed.is_new), (2, true), "{lost}");
        let dir = tempfile::tempdir().unwrap();
        let here = store_in(&dir);
        assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 2, "{lost}");
    }
}

#[test]
fn what_another_job_put_stays_where_another_file_is_lost_or_all_is_written_once_more() {
    let (_dir, there, objects) = local();
    push(&there, &objects, "m@main", |_| {});
    let [first] = objects.names("o/").try_into().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let here = store_in(&dir);
    put(&here, 3, &[3; 3000], None);
    assert_eq!(push(&here, &objects, "m@main", |push| push.now += 60).entries, 3);
    let second = objects.names("o/").into_iter().find(|name| *name != first).unwrap();
    objects.objects.lock().unwrap().remove(&second);
    let pushed = push(&here, &objects, "m@main", |push| push.now += 120);
    assert_eq!(
        (pushed.entries, pushed.outputs),
        (3, 1),
        "its own once more, and what it does not have by the other file"
    );
    let third = tempfile::tempdir().unwrap();
    let fresh = store_in(&third);
    assert_eq!(pull(&fresh, &objects, "m@main", &[1]).admitted, 3);
}

#[test]
fn what_was_fetched_and_is_not_used_grows_older() {
    let (_dir, there, objects) = local();
    push(&there, &objects, "m@main", |_| {});
    let dir = tempfile::tempdir().unwrap();
    let here = store_in(&dir);
    pull(&here, &objects, "m@main", &[1]);
    put(&here, 3, b"made here", None);
    let later = |push: &mut Push<'_>| push.now += 1000;
    assert_eq!(push(&here, &objects, "m@main", later).entries, 3);
    let index = read(&objects, "m@main");
    let times: Vec<_> = index.entries.iter().map(|entry| (entry.action.0[0], entry.time)).collect();
    assert!(times.contains(&(1, USED)) && times.contains(&(2, USED)), "{times:?}");
}

#[test]
fn a_writer_that_may_not_list_makes_the_first_push() {
    let (_dir, store, objects) = local();
    objects.deny(1);
    let pushed = push(&store, &objects, "m@main", |_| {});
    assert_eq!((pushed.entries, pushed.is_new), (2, true));
}

#[test]
fn what_is_damaged_or_went_is_left_out_with_its_entries() {
    let (_dir, store, objects) = local();
    let (_, record, _) = store.list(&view()).unwrap().into_iter().find(|(action, ..)| action.0[0] == 1).unwrap();
    let path = store.object(record.output).unwrap().unwrap();
    fs::remove_file(path).unwrap();
    assert_eq!(push(&store, &objects, "m@main", |_| {}).entries, 1);
}

#[test]
fn what_the_remote_store_lost_is_put_once_more() {
    let (_dir, store, objects) = local();
    push(&store, &objects, "m@main", |_| {});
    objects.objects.lock().unwrap().retain(|name, _| name.starts_with("h/"));
    let other = tempfile::tempdir().unwrap();
    let here = store_in(&other);
    assert_eq!(pull(&here, &objects, "m@main", &[1]).failed, 1);
    put(&here, 1, &[1; 3000], None);
    let pushed = push(&here, &objects, "m@main", |push| push.now += 60);
    assert_eq!((pushed.files, pushed.is_new), (1, true));
}
