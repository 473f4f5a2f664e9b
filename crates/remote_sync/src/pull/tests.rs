//! A fresh store, and what a remote store may give it.

use super::*;
use crate::fixture::*;
use crate::push::{Used, UsedByBuild};
use proto::SigningKey;
use remote::series::STD;
use remote::{limits, name};

/// A remote store with what a machine put.
fn remote_store() -> (tempfile::TempDir, Store, Memory) {
    let dir = tempfile::tempdir().unwrap();
    let (store, objects) = (store(dir.path()), Memory::default());
    put(&store, 1, b"one", None);
    put(&store, 2, b"two", asm().as_ref());
    put(&store, 3, &vec![3; 5 << 20], None);
    let pushed = push(&store, &objects, "m@main", |_| {});
    assert_eq!((pushed.entries, pushed.outputs, pushed.files), (3, 3, 1));
    objects.take_log();
    (dir, store, objects)
}

fn fresh() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    (dir, store)
}

#[test]
fn a_fresh_machine_has_what_another_put_and_fetches_nothing_twice() {
    let (_one, there, objects) = remote_store();
    let (_other, here) = fresh();
    let pulled = pull(&here, &objects, "m@main", &[1]);
    assert_eq!((pulled.indexes, pulled.entries, pulled.admitted, pulled.failed), (1, 3, 3, 0));
    assert_eq!(found(&here), found(&there));
    assert_eq!(objects.take_log().len(), 3, "head, index, one file");
    let signer = Some(SigningKey(key(1).public().signing_key().0));
    for (_, record, used) in here.list(&view()).unwrap() {
        assert_eq!((record.origin.key, record.origin.name.as_str()), (signer, "m@main"));
        assert_eq!(used, UNIX_EPOCH + Duration::from_secs(USED), "its writer used it then");
    }
    let again = pull(&here, &objects, "m@main", &[1]);
    assert_eq!((again.admitted, again.requests, again.bytes), (0, 0, 0));
    assert_eq!(objects.take_log().len(), 1, "the head alone");
}

#[test]
fn nothing_is_fetched_onto_a_disk_that_is_short_of_space_by_the_limits_of_the_store() {
    let (_one, _, objects) = remote_store();
    let (_other, here) = fresh();
    with_pull((&here, &objects), "m@main", (&[1], Conditional::OfAssembly), |pull| {
        let limits = Limits { min_free: store::Size::Bytes(u64::MAX), ..Limits::default() };
        assert_eq!(Pull { limits, ..*pull }.run().unwrap().admitted, 0);
        assert!(objects.take_log().is_empty());
        assert_eq!(pull.run().unwrap().admitted, 3, "the same disk, with limits that it is not short of");
    });
}

#[test]
fn a_fresh_machine_makes_few_requests_after_many_edits_too() {
    let (_one, there, objects) = remote_store();
    for n in 10..30 {
        put(&there, n, &[n; 1000], None);
        assert!(push(&there, &objects, "m@main", |push| push.now += u64::from(n)).is_new);
        objects.take_log();
        let (_other, here) = fresh();
        assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, u64::from(n) - 6);
        let requests = objects.take_log().len();
        assert!(requests <= 2 + limits::SMALL_FILES, "{requests} after edit {n}: head, index, and the files");
    }
}

#[test]
fn on_demand_the_frames_of_what_is_asked_for_are_fetched_and_none_twice() {
    let (_one, _, objects) = remote_store();
    let (_other, here) = fresh();
    with_pull((&here, &objects), "m@main", (&[1], Conditional::OfAssembly), |pull| {
        let (named, read) = pull.read().unwrap();
        assert_eq!((read.entries, read.requests, read.bytes), (3, 0, 0));
        assert_eq!(objects.take_log().len(), 2, "head and index");
        assert_eq!(pull.fetch_of(&named, &action(9)), Pulled::default(), "no index names it");
        let pulled = pull.fetch_of(&named, &action(1));
        assert_eq!((pulled.requests, pulled.admitted), (1, 2), "its frame has another small output");
        assert!(pulled.bytes < 1000, "the large one is in a frame of its own");
        assert_eq!(pull.fetch_of(&named, &action(2)), Pulled::default(), "it is here");
        objects.fail(usize::MAX, |_, bytes| bytes[..bytes.len() - 1].to_vec());
        assert_eq!(pull.fetch_of(&named, &action(3)).failed, 1);
        objects.fail(0, |_, bytes| bytes);
        assert_eq!(pull.fetch_of(&named, &action(3)), Pulled::default(), "it is given up");
    });
    assert_eq!(found(&here), [(1, b"one".to_vec()), (2, b"two".to_vec())]);
}

#[test]
fn what_no_trusted_key_signed_is_neither_fetched_nor_admitted() {
    let (_one, _, objects) = remote_store();
    let (_other, here) = fresh();
    assert_eq!(pull(&here, &objects, "m@main", &[2]), Pulled::default());
    // At the place of a key that is trusted, too.
    let [mine, theirs] = [2, 1].map(|seed| name::head(&series("m@main"), &key(seed).public().id()));
    let head = objects.objects.lock().unwrap()[&theirs].clone();
    objects.objects.lock().unwrap().insert(mine, head);
    let pulled = pull(&here, &objects, "m@main", &[2]);
    assert_eq!(pulled, Pulled { failed: 1, ..Pulled::default() });
    assert_eq!(found(&here), []);
}

#[test]
fn what_is_denied_counts_where_nothing_is_given() {
    let (_one, there, objects) = remote_store();
    let used = UsedByBuild {
        actions: vec![action(2)],
        conditions: asm().into_iter().map(|condition| condition.digest).collect(),
        ..UsedByBuild::default()
    };
    let (_other, here) = fresh();
    objects.deny(2);
    assert_eq!(pull(&here, &objects, "new", &[1]).failed, 2, "its own head and that of Go's packages");
    put(&there, 4, b"four", std().as_ref());
    let used = UsedByBuild { actions: vec![action(4)], ..used };
    push_used((&there, Used::StdBy(&used)), &objects, (STD, &[], 1), |_| {});
    objects.deny(1); // where the credentials may not list the bucket, what is not there is denied
    let pulled = pull(&here, &objects, "new", &[1]);
    assert_eq!((pulled.failed, pulled.admitted), (0, 1));
}

#[test]
fn a_head_of_other_builds_is_not_taken_for_these() {
    let (_one, _, objects) = remote_store();
    let (_other, here) = fresh();
    let [from, to] = ["m@main", "other"].map(|of| name::head(&series(of), &key(1).public().id()));
    let head = objects.objects.lock().unwrap()[&from].clone();
    objects.objects.lock().unwrap().insert(to, head);
    assert_eq!(pull(&here, &objects, "other", &[1]), Pulled { failed: 1, ..Pulled::default() });
}

#[test]
fn an_old_head_is_not_taken_after_a_new_one() {
    let (_one, there, objects) = remote_store();
    let (_other, here) = fresh();
    let head = name::head(&series("m@main"), &key(1).public().id());
    let old = objects.objects.lock().unwrap()[&head].clone();
    put(&there, 4, b"four", None);
    assert!(push(&there, &objects, "m@main", |push| push.now += 1).is_new);
    assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 4);
    objects.objects.lock().unwrap().insert(head, old);
    assert_eq!(pull(&here, &objects, "m@main", &[1]), Pulled { failed: 1, ..Pulled::default() });
}

#[test]
fn what_breaks_off_is_fetched_again_and_wrong_bytes_are_left_out() {
    let (_one, there, objects) = remote_store();
    let cut: Fault = |name, bytes| if name.starts_with("o/") { bytes[..bytes.len() - 1].to_vec() } else { bytes };
    let (_other, here) = fresh();
    objects.fail(3, cut);
    let pulled = pull(&here, &objects, "m@main", &[1]);
    assert_eq!((pulled.admitted, pulled.failed), (3, 0));
    assert_eq!(found(&here), found(&there));
    let (_third, here) = fresh();
    let flip: Fault = |name, mut bytes| {
        bytes[5] ^= u8::from(name.starts_with("o/"));
        bytes
    };
    objects.fail(usize::MAX, flip);
    let pulled = pull(&here, &objects, "m@main", &[1]);
    assert_eq!((pulled.admitted, pulled.failed), (0, 1));
    assert_eq!(found(&here), []);
}

#[test]
fn an_index_with_other_bytes_is_not_used() {
    let (_one, _, objects) = remote_store();
    let (_other, here) = fresh();
    let flip: Fault = |name, mut bytes| {
        bytes[20] ^= u8::from(name.starts_with("p/"));
        bytes
    };
    objects.fail(usize::MAX, flip);
    assert_eq!(pull(&here, &objects, "m@main", &[1]), Pulled { failed: 1, ..Pulled::default() });
    objects.fail(0, flip);
    assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 3, "it was not kept");
}

#[test]
fn a_copy_that_is_lost_does_not_hide_another() {
    let (_one, there, objects) = remote_store();
    let first = objects.names("o/").remove(0);
    put(&there, 4, b"four", None);
    push_after(&there, &objects, ("m@main", &[], 2), |_| {});
    objects.objects.lock().unwrap().remove(&first);
    let (_other, here) = fresh();
    let pulled = pull(&here, &objects, "m@main", &[1, 2]);
    assert_eq!((pulled.admitted, pulled.failed), (4, 1));
    assert_eq!(found(&here), found(&there));
}

#[test]
fn what_a_key_signed_that_is_no_longer_trusted_is_neither_served_nor_in_the_way() {
    let (_one, there, objects) = remote_store();
    let (_other, here) = fresh();
    pull(&here, &objects, "m@main", &[1]);
    let served = |seeds: &[u8]| {
        let view = view().trusting(trusted(seeds).signing_keys());
        here.get(&view, &action(1), UNIX_EPOCH).unwrap().plain
    };
    let is_served = |seeds: &[u8]| served(seeds).is_some();
    assert!(is_served(&[1]) && is_served(&[2, 1]) && !is_served(&[2]) && !is_served(&[]));
    // Another key's takes its place, then what is made here.
    push_after(&there, &objects, ("m@main", &[], 2), |_| {});
    assert_eq!(pull(&here, &objects, "m@main", &[2]).admitted, 0, "the same output: its record changes hands");
    assert!(is_served(&[2]) && !is_served(&[1]));
    put_again(&here, 1, b"other", &Published::Outranks(Box::new(served(&[2]).unwrap())));
    assert!(is_served(&[]));
    assert_eq!(found(&here)[0], (1, b"other".to_vec()));
}

#[test]
fn what_is_here_stays_what_it_is() {
    let (_one, _, objects) = remote_store();
    let (_other, here) = fresh();
    put(&here, 1, b"made here", None);
    assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 2);
    assert_eq!(found(&here)[0], (1, b"made here".to_vec()));
}

#[test]
fn what_c_compilers_made_is_taken_where_that_is_asked_for() {
    let (_one, there, objects) = remote_store();
    put(&there, 4, b"with C", with_c().as_ref());
    push(&there, &objects, "m@main", |push| (push.conditional, push.now) = (Conditional::All, NOW + 1));
    let (_other, here) = fresh();
    assert_eq!(pull(&here, &objects, "m@main", &[1]).admitted, 3);
    assert_eq!(pull_with(&here, &objects, "m@main", (&[1], Conditional::All)).admitted, 1);
    assert_eq!(found(&here), found(&there));
}
