use proto::{Condition, Scope, ScopeDigest};
use store::{CONDITIONS_KEPT, Partition, Published, Put, Record, Replaces, Store, View};

use crate::{action, at, content, found, open, output, publish, put, stage, view};

const KEPT: u8 = CONDITIONS_KEPT as u8;

fn condition(scope: &str, digest: u8) -> Condition {
    Condition { scope: Scope::new(scope).unwrap(), digest: ScopeDigest([digest; 32]) }
}

fn publish_if(store: &Store, seconds: u64, condition: &Condition, body: &[u8]) -> Published {
    publish(store, &Put { condition: Some(condition), ..put(1, seconds) }, body)
}

/// Of each entry with a condition: its scope, its digest's first byte, and the content.
fn candidates(store: &Store) -> Vec<(String, u8, Vec<u8>)> {
    let found = store.get(&view(), &action(1), at(1000)).unwrap().conditional;
    let candidate = |record: &Record| {
        let Condition { scope, digest } = record.condition.clone().unwrap();
        (scope.to_string(), digest.0[0], content(store, record).unwrap())
    };
    found.iter().map(candidate).collect()
}

/// The same in fewer letters.
fn of(scope: &str, candidates: &[(u8, &[u8])]) -> Vec<(String, u8, Vec<u8>)> {
    candidates.iter().map(|(digest, body)| (scope.to_owned(), *digest, body.to_vec())).collect()
}

#[test]
fn an_action_has_an_output_for_each_condition_the_newest_first() {
    let (_dir, store) = open();
    for n in 0..KEPT + 4 {
        assert_eq!(publish_if(&store, 500, &condition("module m", n), &[n]), Published::New);
    }
    let newest = |digests: &[u8]| -> Vec<_> { digests.iter().map(|&n| ("module m".to_owned(), n, vec![n])).collect() };
    let mut expected: Vec<_> = (4..KEPT + 4).rev().collect();
    assert_eq!(candidates(&store), newest(&expected));
    // One that is put again, or in use, is the newest.
    assert_eq!(publish_if(&store, 600, &condition("module m", 6), &[6]), Published::Again);
    store.prefer(&view(), &action(1), &condition("module m", 5)).unwrap();
    store.prefer(&view(), &action(1), &condition("module m", 3)).unwrap();
    store.prefer(&view(), &action(2), &condition("module m", 3)).unwrap();
    expected.retain(|n| ![5, 6].contains(n));
    assert_eq!(candidates(&store), newest(&[vec![5, 6], expected].concat()));
    let seen = store.verify(store::Mode::DryRun, &mut |_| {}).unwrap();
    assert_eq!((seen.entries, seen.outputs, seen.damaged_records), (1, CONDITIONS_KEPT as u64, 0));
}

#[test]
fn under_one_condition_the_first_output_stays() {
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"first");
    let second = publish_if(&store, 600, &condition("m", 1), b"second");
    assert!(matches!(second, Published::Conflict(first) if first.output.id == output(b"first")));
    assert_eq!(publish_if(&store, 600, &condition("m", 2), b"second"), Published::New);
    assert_eq!(candidates(&store), of("m", &[(2, b"second"), (1, b"first")]));
    let any = Put { replaces: Replaces::Any, condition: Some(&condition("m", 1)), ..put(1, 700) };
    assert_eq!(publish(&store, &any, b"third"), Published::New);
    assert_eq!(candidates(&store), of("m", &[(1, b"third"), (2, b"second")]));
}

#[test]
fn an_entry_of_each_scope_stands_beside_the_others() {
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"one");
    publish_if(&store, 500, &condition("tree", 2), b"two");
    publish_if(&store, 500, &condition("m", 3), b"three");
    let [newest, oldest] = [(3, b"three".as_slice()), (1, b"one")].map(|one| of("m", &[one]));
    assert_eq!(candidates(&store), [newest, of("tree", &[(2, b"two")]), oldest].concat());
}

#[test]
fn an_entry_without_a_condition_stands_beside_those_with_one_and_stays() {
    let (_dir, store) = open();
    let plain = |store: &Store| content(store, &found(store, 1).unwrap()).unwrap();
    publish(&store, &put(1, 500), b"plain");
    // One output under both: a go command that may take only one of them finds it.
    assert_eq!(publish_if(&store, 600, &condition("m", 1), b"plain"), Published::New);
    assert!(matches!(publish_if(&store, 600, &condition("m", 1), b"other"), Published::Conflict(_)));
    assert!(matches!(publish(&store, &put(1, 600), b"other"), Published::Conflict(_)));
    for n in 2..KEPT + 10 {
        assert_eq!(publish_if(&store, 600, &condition("m", n), &[n]), Published::New);
    }
    assert_eq!(plain(&store), b"plain");
    let digests = |store: &Store| candidates(store).iter().map(|one| one.1).collect::<Vec<_>>();
    assert_eq!(digests(&store), (11..KEPT + 10).rev().collect::<Vec<_>>());
    let seen = store.verify(store::Mode::DryRun, &mut |_| {}).unwrap();
    assert_eq!((seen.entries, seen.outputs, seen.damaged_records), (1, CONDITIONS_KEPT as u64, 0));
    assert_eq!(publish(&store, &Put { replaces: Replaces::Any, ..put(1, 700) }, b"latest"), Published::New);
    assert_eq!((plain(&store), digests(&store).len()), (b"latest".to_vec(), CONDITIONS_KEPT - 1));
    // And where there is no more room, one without takes the place of the oldest.
    let (_dir, store) = open();
    (0..KEPT).for_each(|n| drop(publish_if(&store, 500, &condition("m", n), &[n])));
    assert_eq!(publish(&store, &put(1, 600), b"late"), Published::New);
    assert_eq!((plain(&store), digests(&store)), (b"late".to_vec(), (1..KEPT).rev().collect()));
}

#[test]
fn a_condition_whose_object_is_gone_gives_way_and_the_others_stay() {
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"one");
    publish_if(&store, 500, &condition("m", 2), b"two");
    std::fs::remove_file(store.root().join(Store::object_name(&output(b"one")))).unwrap();
    assert_eq!(publish_if(&store, 600, &condition("m", 1), b"uno"), Published::New);
    assert_eq!(candidates(&store), of("m", &[(1, b"uno"), (2, b"two")]));
}

#[test]
fn a_record_is_forgotten_alone() {
    let (_dir, store) = open();
    for n in 1..=3 {
        publish_if(&store, 500, &condition("m", n), &[n]);
    }
    let middle =
        store.list(&view()).unwrap().into_iter().find(|(_, record, _)| record.output.id == output(&[2])).unwrap();
    store.forget(&view(), &middle.0, &middle.1).unwrap();
    assert_eq!(candidates(&store), of("m", &[(3, &[3]), (1, &[1])]));
    for (action, record, _) in store.list(&view()).unwrap() {
        store.forget(&view(), &action, &record).unwrap();
    }
    assert_eq!(candidates(&store), []);
    assert_eq!(store.evictor().count().unwrap().entries, 0);
}

#[test]
fn a_user_finds_the_common_entries_and_no_other_users() {
    let (_dir, store) = open();
    let toolchain = proto::wire::Toolchain { goroot: "/go".into(), ..proto::wire::Toolchain::default() };
    let [one, two] = [1, 2].map(|uid| View::of(Partition::User(uid), &toolchain));
    assert_ne!(one.writes, two.writes);
    assert_ne!(one.writes, View::common(&toolchain).writes);
    publish(&store, &put(1, 500), b"everyone's");
    let origin = one.origin(None, "a build");
    let own = Put { origin: &origin, ..put(2, 500) };
    store.put(&one, &own, &mut stage(&store, b"the user's own")).unwrap();
    let sees = |view: &View, n| store.get(view, &action(n), at(0)).unwrap().plain;
    let record = sees(&one, 2).unwrap();
    assert_eq!((record.origin.partition, record.origin.name.as_str()), (Partition::User(1), "a build"));
    assert_eq!((sees(&two, 2), sees(&view(), 2)), (None, None));
    assert!(sees(&one, 1).is_some() && sees(&two, 1).is_some());
    // Beside the user's own entry with a condition the common one is found.
    let conditional = Put { origin: &origin, condition: Some(&condition("m", 1)), ..put(1, 500) };
    store.put(&one, &conditional, &mut stage(&store, b"under a condition")).unwrap();
    let both = store.get(&one, &action(1), at(0)).unwrap();
    assert!(both.plain.is_some() && both.conditional.len() == 1);
}
