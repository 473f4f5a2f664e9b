//! What is taken out of service: for all builds, also for those that are under way.

use proto::{BuildId, Condition, ScopeDigest, scopes};
use store::{BuildDir, CONDITIONS_KEPT, Exposure, Mode, Published, PurgeFilter, Store};

use super::*;

const BUILD: BuildId = BuildId([7; 16]);

fn condition() -> Condition {
    Condition { scope: scopes::TREE, digest: ScopeDigest([1; 32]) }
}

/// A build that accepted what another put under a condition, and has a put of its own.
fn accepting_build(store: &Store) -> BuildDir {
    let condition = condition();
    publish(store, &Put { condition: Some(&condition), ..put(1, 500) }, b"bad");
    let build = store.create_build(BUILD).unwrap();
    let record = store.get(&view(), &action(1), at(0)).unwrap().conditional.remove(0);
    build.expose(record.output, Exposure::Link).unwrap();
    build.note("8:1", &action(1), record).unwrap();
    let own = view().origin(Some(BUILD), "own");
    build.keep("8:1", &Put { origin: &own, ..put(2, 500) }, &mut stage(store, b"bad")).unwrap();
    build
}

fn has(build: &BuildDir, n: u8) -> bool {
    build.get("8:1", &action(n), at(0)).unwrap().is_some()
}

#[test]
fn what_is_in_quarantine_is_no_answer_and_nothing_is_shared_in_its_place() {
    let (_dir, store) = open();
    let condition = condition();
    publish(&store, &Put { condition: Some(&condition), ..put(1, 500) }, b"good");
    publish(&store, &put(1, 500), b"bad");
    assert_eq!(store.quarantine(&view(), &action(1), (&output(b"other"), None)).unwrap().0, []);
    assert!(found(&store, 1).is_some(), "another output is meant");
    store.quarantine(&view(), &action(1), (&output(b"bad"), None)).unwrap();
    let known = store.get(&view(), &action(1), at(0)).unwrap();
    assert_eq!((known.plain, known.conditional.len(), known.is_quarantined), (None, 1, true));
    for body in [b"good", b"bad!"] {
        assert_eq!(publish(&store, &put(1, 600), body), Published::Quarantined);
        assert_eq!(publish(&store, &Put { replaces: Replaces::Any, ..put(1, 600) }, body), Published::Quarantined);
    }
    assert!(found(&store, 1).is_none());
    let opened_again = Store::open(store.root(), Access::Traversable).unwrap();
    assert!(found(&opened_again, 1).is_none());
    let purged = store.evictor().purge(&PurgeFilter::Quarantined, at(700), Mode::Apply, &mut |_| {}).unwrap();
    assert_eq!((purged.entries, purged.errors), (1, vec![]));
    assert_eq!(publish(&store, &put(1, 800), b"good"), Published::New);
}

#[test]
fn a_live_build_is_told_no_more_of_what_is_in_quarantine_and_keeps_its_own() {
    let (_dir, store) = open();
    let build = accepting_build(&store);
    let (exposed_to, error) = store.quarantine(&view(), &action(1), (&output(b"bad"), Some(&condition()))).unwrap();
    assert!(exposed_to == [BUILD] && error.is_none());
    assert_eq!((has(&build, 1), has(&build, 2)), (false, true));
    let link = build.view().join("o").join(output(b"bad").to_string());
    assert!(link.exists(), "a go command may read it now");
}

/// cmd/go takes the facts of vet without what it printed for "it printed nothing".
#[test]
fn a_live_build_keeps_no_facts_of_vet_whose_printed_text_is_in_quarantine() {
    let (_dir, store) = open();
    let build = accepting_build(&store);
    let condition = condition();
    publish(&store, &Put { condition: Some(&condition), ..put(3, 500) }, b"printed");
    let printed = store.get(&view(), &action(3), at(0)).unwrap().conditional.remove(0);
    build.expose(printed.output, Exposure::Link).unwrap();
    build.note("8:1", &action(3), printed).unwrap();
    store.quarantine(&view(), &action(3), (&output(b"printed"), Some(&condition))).unwrap();
    assert_eq!([1, 2, 3].map(|n| has(&build, n)), [false, true, false]);
}

#[test]
fn a_live_build_is_told_no_more_of_what_is_purged() {
    let (_dir, store) = open();
    let build = accepting_build(&store);
    let purge = |mode| store.evictor().purge(&PurgeFilter::All, SystemTime::now(), mode, &mut |_| {}).unwrap();
    assert_eq!((purge(Mode::DryRun).given_to.len(), has(&build, 1)), (0, true));
    assert_eq!(purge(Mode::Apply).given_to, [BUILD.short()]);
    assert_eq!((has(&build, 1), has(&build, 2)), (false, true));
}

#[test]
fn newer_conditions_do_not_push_out_what_is_in_quarantine() {
    let (_dir, store) = open();
    let under = |n: u8| Condition { scope: scopes::TREE, digest: ScopeDigest([n; 32]) };
    let share = |n: u8, body: &[u8]| {
        let condition = under(n);
        publish(&store, &Put { condition: Some(&condition), ..put(1, 500 + u64::from(n)) }, body)
    };
    share(0, b"bad");
    store.quarantine(&view(), &action(1), (&output(b"bad"), Some(&under(0)))).unwrap();
    for n in 1..100 {
        assert_eq!(share(n, b"other"), Published::New);
    }
    assert_eq!(share(0, b"bad"), Published::Quarantined);
    assert_eq!(store.get(&view(), &action(1), at(1000)).unwrap().conditional.len(), CONDITIONS_KEPT - 1);
    // All that is kept: what is new is not shared.
    for n in 69..100 {
        store.quarantine(&view(), &action(1), (&output(b"other"), Some(&under(n)))).unwrap();
    }
    assert_eq!(share(100, b"other"), Published::Quarantined);
    assert_eq!(publish(&store, &put(1, 700), b"plain"), Published::Quarantined);
    assert_eq!(share(0, b"bad"), Published::Quarantined);
}

#[test]
fn a_purge_finishes_one_that_was_killed_before_live_builds_forgot() {
    let (_dir, store) = open();
    let build = accepting_build(&store);
    fs::remove_dir_all(store.root().join("records")).unwrap();
    fs::create_dir(store.root().join("records")).unwrap();
    assert!(has(&build, 1));
    let nothing = PurgeFilter::Before(at(0));
    let purged = store.evictor().purge(&nothing, SystemTime::now(), Mode::Apply, &mut |_| {}).unwrap();
    assert_eq!((purged.entries, has(&build, 1), has(&build, 2)), (0, false, true));
}
