//! What is for one user: what it may take beside what all read, and its removal.

use std::time::Duration;

use store::{Mode, Partition, PurgeFilter, Reason, Store, Targets, Totals, View};

use super::*;

const LARGE: usize = 1 << 20;

fn of_user(uid: u32) -> View {
    View::of(Partition::User(uid), &Toolchain { goroot: "/go".into(), ..Toolchain::default() })
}

fn publish_for(store: &Store, view: &View, n: u8, body: &[u8]) {
    let origin = view.origin(None, "a build");
    store.put(view, &Put { origin: &origin, ..put(n, 500) }, &mut stage(store, body)).unwrap();
}

/// How many of these actions have an entry that this view reads.
fn count(store: &Store, view: &View, actions: std::ops::Range<u8>) -> usize {
    actions.filter(|&n| store.get(view, &action(n), at(0)).unwrap().plain.is_some()).count()
}

#[test]
fn what_a_user_takes_beyond_the_share_goes_before_what_all_read_and_another_users() {
    let (_dir, store) = open();
    let [large, small] = [1, 2].map(of_user);
    for n in 0..40 {
        publish(&store, &put(n, 500), &vec![n; LARGE]);
    }
    (40..50).for_each(|n| publish_for(&store, &small, n, &vec![n; LARGE]));
    // An object that all read too, which is not charged.
    publish_for(&store, &large, 0, &vec![0; LARGE]);
    (50..150).for_each(|n| publish_for(&store, &large, n, &vec![n; LARGE]));
    // Used a day after all others.
    let tomorrow = SystemTime::now() + Duration::from_secs(24 * 3600);
    (50..150).for_each(|n| drop(store.get(&large, &action(n), tomorrow).unwrap()));
    let targets = Targets { max_size: Some(100 << 20), ..Targets::default() };
    let swept = store.evictor().sweep(&targets, tomorrow, Mode::Apply, &mut || true).unwrap().unwrap();
    assert_eq!(swept.gone.keys().collect::<Vec<_>>(), [&Reason::Size]);
    assert!(swept.left.bytes <= 90 << 20, "{swept:?}");
    assert_eq!((count(&store, &view(), 0..40), count(&store, &small, 40..50)), (40, 10));
    assert!((35..=40).contains(&count(&store, &large, 50..150)), "{}", count(&store, &large, 50..150));
}

#[test]
fn a_purge_of_a_user_removes_what_is_for_that_user_alone() {
    let (_dir, store) = open();
    let [one, other] = [1000, 10].map(of_user);
    publish(&store, &put(1, 500), b"of all");
    publish_for(&store, &one, 1, b"of all");
    publish_for(&store, &one, 2, b"of one");
    publish_for(&store, &other, 3, b"of the other");
    let later = SystemTime::now() + Duration::from_secs(60);
    let purge = |uid, mode| store.evictor().purge(&PurgeFilter::User(uid), later, mode, &mut |_| {}).unwrap();
    assert_eq!(purge(100, Mode::Apply).entries, 0);
    let would = purge(1000, Mode::DryRun);
    assert_eq!((would.seen, would.entries, would.objects), (4, 2, 1));
    assert_eq!(purge(1000, Mode::Apply), would);
    assert_eq!(purge(1000, Mode::Apply).entries, 0);
    assert_eq!((count(&store, &one, 1..4), count(&store, &other, 1..4)), (1, 2));
    let size = 4 * 4096;
    assert_eq!(store.counters().totals(), Totals { entries: 2, objects: 2, bytes: size });
    // A writer's entries are all users'.
    assert_eq!((purge(0, Mode::Apply).entries, count(&store, &view(), 1..4)), (0, 1));
}

#[test]
fn a_record_that_cannot_be_read_keeps_objects_and_no_entries() {
    let (_dir, store) = open();
    let user = of_user(1000);
    publish_for(&store, &user, 1, b"one");
    publish_for(&store, &user, 2, b"two");
    let [first, second] = [b"one", b"two"].map(|body| object_path(&store, body));
    let name = action(2).to_string();
    let dirs = fs::read_dir(store.root().join("records")).unwrap();
    let of_user = dirs.map(|dir| dir.unwrap().path().join(&name[..1]).join(&name));
    let record = of_user.into_iter().find(|path| path.exists()).unwrap();
    fs::remove_file(&record).unwrap();
    fs::create_dir(&record).unwrap();
    let later = SystemTime::now() + Duration::from_secs(60);
    let purged = store.evictor().purge(&PurgeFilter::User(1000), later, Mode::Apply, &mut |_| {}).unwrap();
    assert_eq!((purged.entries, purged.objects, purged.errors.len()), (1, 0, 1), "{purged:?}");
    assert!(first.exists() && second.exists());
    assert_eq!(count(&store, &user, 1..2), 0);
}
