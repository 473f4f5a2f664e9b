use proto::{Condition, Scope, ScopeDigest, limits};
use store::{Found, Namespace, Partition, Published, Put, Replaces, Store, View};

use crate::{action, at, content, found, open, output, publish, put, stage, view};

fn condition(scope: &str, digest: u8) -> Condition {
    Condition { scope: Scope::new(scope).unwrap(), digest: ScopeDigest([digest; 32]) }
}

fn publish_if(store: &Store, seconds: u64, condition: &Condition, body: &[u8]) -> Published {
    publish(store, &Put { condition: Some(condition), ..put(1, seconds) }, body)
}

/// A digest's first byte, and the content.
type Candidate = (u8, Vec<u8>);

/// The scope, and its candidates.
fn candidates(store: &Store) -> Option<(String, Vec<Candidate>)> {
    match store.get(&view(), &action(1), at(1000)).unwrap()? {
        Found::Plain(record) => panic!("it has no condition: {record:?}"),
        Found::Conditional(scope, candidates) => {
            let each = candidates.iter().map(|(digest, record)| (digest.0[0], content(store, record).unwrap()));
            Some((scope.as_str().to_owned(), each.collect()))
        }
    }
}

#[test]
fn an_action_has_an_output_for_each_condition_the_newest_first() {
    let (_dir, store) = open();
    for n in 0..12u8 {
        assert_eq!(publish_if(&store, 500, &condition("module m", n), &[n]), Published::New);
    }
    let newest = |digests: &[u8]| Some(("module m".to_owned(), digests.iter().map(|&n| (n, vec![n])).collect()));
    assert_eq!(candidates(&store), newest(&[11, 10, 9, 8, 7, 6, 5, 4]));
    assert_eq!(publish_if(&store, 600, &condition("module m", 6), &[6]), Published::Again);
    assert_eq!(candidates(&store), newest(&[6, 11, 10, 9, 8, 7, 5, 4]));
    let seen = store.verify(store::Mode::DryRun, &mut |_| {}).unwrap();
    assert_eq!((seen.entries, seen.damaged_records), (limits::CONDITIONS as u64, 0));
}

#[test]
fn under_one_condition_the_first_output_stays() {
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"first");
    let second = publish_if(&store, 600, &condition("m", 1), b"second");
    assert!(matches!(second, Published::Conflict(first) if first.output.id == output(b"first")));
    assert_eq!(publish_if(&store, 600, &condition("m", 2), b"second"), Published::New);
    assert_eq!(candidates(&store).unwrap().1, [(2, b"second".to_vec()), (1, b"first".to_vec())]);
    let any = Put { replaces: Replaces::Any, condition: Some(&condition("m", 1)), ..put(1, 700) };
    assert_eq!(publish(&store, &any, b"third"), Published::New);
    assert_eq!(candidates(&store).unwrap().1, [(1, b"third".to_vec()), (2, b"second".to_vec())]);
}

#[test]
fn of_several_scopes_the_newest_counts() {
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"one");
    publish_if(&store, 500, &condition("tree", 2), b"two");
    assert_eq!(candidates(&store), Some(("tree".to_owned(), vec![(2, b"two".to_vec())])));
    publish_if(&store, 500, &condition("m", 3), b"three");
    let of_m = vec![(3, b"three".to_vec()), (1, b"one".to_vec())];
    assert_eq!(candidates(&store), Some(("m".to_owned(), of_m)));
}

#[test]
fn with_and_without_a_condition_do_not_mix() {
    let (_dir, store) = open();
    publish(&store, &put(1, 500), b"plain");
    // What is true for all is true where a scope holds this.
    assert_eq!(publish_if(&store, 600, &condition("m", 1), b"plain"), Published::Again);
    assert_eq!(found(&store, 1).unwrap().condition, None);
    assert!(matches!(publish_if(&store, 600, &condition("m", 1), b"other"), Published::Conflict(_)));
    // But what was found true there is not true for all.
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"body");
    for body in [b"body".as_slice(), b"other"] {
        assert!(matches!(publish(&store, &put(1, 600), body), Published::Conflict(_)));
    }
    assert_eq!(publish(&store, &Put { replaces: Replaces::Any, ..put(1, 700) }, b"latest"), Published::New);
    assert_eq!(content(&store, &found(&store, 1).unwrap()).unwrap(), b"latest");
}

#[test]
fn a_condition_whose_object_is_gone_gives_way_and_the_others_stay() {
    let (_dir, store) = open();
    publish_if(&store, 500, &condition("m", 1), b"one");
    publish_if(&store, 500, &condition("m", 2), b"two");
    std::fs::remove_file(store.root().join(Store::object_name(&output(b"one")))).unwrap();
    assert_eq!(publish_if(&store, 600, &condition("m", 1), b"uno"), Published::New);
    assert_eq!(candidates(&store).unwrap().1, [(1, b"uno".to_vec()), (2, b"two".to_vec())]);
}

#[test]
fn a_record_is_forgotten_alone() {
    let (_dir, store) = open();
    for n in 1..=3 {
        publish_if(&store, 500, &condition("m", n), &[n]);
    }
    let middle = store.list(&view()).unwrap().into_iter().find(|(_, record)| record.output.id == output(&[2])).unwrap();
    store.forget(&view(), &middle.0, &middle.1).unwrap();
    assert_eq!(candidates(&store).unwrap().1, [(3, vec![3]), (1, vec![1])]);
    for (action, record) in store.list(&view()).unwrap() {
        store.forget(&view(), &action, &record).unwrap();
    }
    assert_eq!(candidates(&store), None);
    assert_eq!(store.evictor().count().unwrap().entries, 0);
}

#[test]
fn a_user_finds_the_common_entries_and_no_other_users() {
    let (_dir, store) = open();
    let toolchain = proto::wire::Toolchain { goroot: "/go".into(), ..proto::wire::Toolchain::default() };
    let [one, two] = [1, 2].map(|uid| View::of(Partition::User(uid), &toolchain));
    assert_ne!(one.writes, two.writes);
    assert_ne!(one.writes, Namespace::new(Partition::Common, &toolchain));
    publish(&store, &put(1, 500), b"everyone's");
    let origin = one.origin(None, "a build");
    let own = Put { origin: &origin, ..put(2, 500) };
    store.put(&one, &own, &mut stage(&store, b"the user's own")).unwrap();
    let sees = |view: &View, n| store.get(view, &action(n), at(0)).unwrap().map(crate::plain);
    let record = sees(&one, 2).unwrap();
    assert_eq!((record.origin.partition, record.origin.name.as_str()), (Partition::User(1), "a build"));
    assert_eq!((sees(&two, 2), sees(&view(), 2)), (None, None));
    assert!(sees(&one, 1).is_some() && sees(&two, 1).is_some());
}
