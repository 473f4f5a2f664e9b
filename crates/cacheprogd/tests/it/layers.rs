use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proto::control::{LayerStatus, Requester};
use proto::wire::{Reply, Request, Toolchain};
use proto::{ActionId, Condition, Output, ScopeDigest, scopes};
use store::{Access, Conditional, Mode, PurgeFilter, Record, Store, View};
use testkit::{Daemon, Session, action, content, output};

use crate::verification::{OTHER, SETTINGS, honest, missed, put, session, writer};

fn condition(scope: proto::Scope, digest: u8) -> Condition {
    Condition { scope, digest: ScopeDigest([digest; 32]) }
}

/// A layer of what a build puts.
pub(crate) fn layer(dir: &Path, name: &str, put: impl FnOnce(&mut Session)) -> PathBuf {
    let daemon = Daemon::start();
    put(&mut session(&daemon, "puts", writer()));
    let to = dir.join(name);
    store::export(&daemon.state_dir(), &to, Conditional::All).unwrap();
    to
}

/// A daemon with these layers.
pub(crate) fn above(dir: &Path, layers: &[&Path], more: &str) -> Daemon {
    let config = dir.join("settings.toml");
    std::fs::write(&config, format!("layers = {layers:?}\n{more}")).unwrap();
    Daemon::start_with(&["--config", config.to_str().unwrap()])
}

fn copied(daemon: &Daemon) -> u64 {
    daemon.status().layers.iter().map(|layer| layer.copied).sum()
}

fn common() -> View {
    View::common(&Toolchain { goroot: "/go".to_owned(), ..Toolchain::default() })
}

/// What is stored for all users.
fn stored(daemon: &Daemon, action: &ActionId) -> store::Found {
    Store::open_read_only(&daemon.state_dir()).unwrap().get(&common(), action, SystemTime::now()).unwrap()
}

#[test]
fn a_fresh_daemon_serves_what_its_layers_have_to_all_users_and_counts_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = layer(dir.path(), "first", |session| (1..4).for_each(|n| put(session, n, &honest(n))));
    let second = layer(dir.path(), "second", |session| (3..6).for_each(|n| put(session, n, OTHER)));
    let mut daemon = above(dir.path(), &[&first, &second], "");
    assert_eq!(missed(&mut Session::open(&daemon.register("other"), "/go2"), 1..6), [1, 2, 3, 4, 5], "other toolchain");
    assert_eq!(copied(&daemon), 0);
    let unknown = Requester::Unknown("no socket".to_owned());
    for (name, of, n) in [("unknown", unknown, 1), ("user", Requester::User { uid: 30_101, forwards: false }, 2)] {
        let view = daemon.register_for(name, of, false);
        assert_eq!(content(&view, Session::open(&view, "/go").get(n)), honest(n), "{name}");
    }
    let view = daemon.register("writer");
    let mut writer = Session::open(&view, "/go");
    for n in [1, 2, 3, 1] {
        assert_eq!(content(&view, writer.get(n)), honest(n), "of the first layer that has it");
    }
    assert_eq!(content(&view, writer.get(5)), OTHER);
    assert_eq!(writer.get(6), Reply::Miss);
    let layers = daemon.status().layers;
    let used = |dir: &Path, copied| {
        let directory = dir.to_str().unwrap().to_owned();
        LayerStatus { directory, copied, ..LayerStatus::default() }
    };
    assert_eq!(layers, [used(&first, 3), used(&second, 1)]);
    let (counts, entries) = (daemon.build("writer").counts, daemon.status().entries);
    assert_eq!((counts.hits, counts.repeated_gets, counts.saved_milliseconds, entries), (5, 1, 0, 4));
    let origin = stored(&daemon, &action(1)).plain.unwrap().origin;
    assert!(origin.is_of_layer() && origin.name.as_str() == "layer" && origin.build.is_none());
    // It is the store's own now.
    std::fs::remove_dir_all(&first).unwrap();
    assert_eq!(missed(&mut session(&daemon, "after", 30_102), 1..4), [0; 0]);
    daemon.stop();
    daemon.start_again();
    assert_eq!(missed(&mut session(&daemon, "later", 30_103), 1..6), [0; 0]);
    let log = daemon.stop();
    assert!(log.contains("not using the layer") && log.contains("first: No such file"), "{log}");
}

#[test]
fn what_the_store_has_stays_and_a_layer_adds_what_holds_under_other_conditions() {
    let dir = tempfile::tempdir().unwrap();
    let layer = layer(dir.path(), "layer", |session| {
        put(session, 1, OTHER);
        for digest in 1..4 {
            session.put_private(5, &honest(digest));
            session.share(5, &honest(digest), Some(condition(scopes::STD, digest)));
        }
    });
    let daemon = above(dir.path(), &[&layer], "");
    let mut first = session(&daemon, "first", writer());
    put(&mut first, 1, &honest(1));
    first.put_private(5, OTHER);
    first.share(5, OTHER, Some(condition(scopes::STD, 1)));
    let view = daemon.register("second");
    let mut second = Session::open(&view, "/go");
    assert_eq!(content(&view, second.get(1)), honest(1));
    let id = second.send(Request::Get { action: action(5) }, b"");
    let Reply::Conditional { candidates } = second.reply() else { panic!("no offer") };
    let mut offered: Vec<_> = candidates.iter().map(|one| (one.condition.digest.0[0], one.output.id)).collect();
    offered.sort_unstable();
    assert_eq!(offered, [(1, output(OTHER)), (2, output(&honest(2))), (3, output(&honest(3)))]);
    let third = candidates.iter().position(|one| one.condition.digest.0[0] == 3).unwrap();
    second.tell(id, Request::Accepted(u8::try_from(third).unwrap()), b"");
    second.wait_for_notices();
    assert_eq!((daemon.build("second").counts.hits, copied(&daemon)), (2, 2));
    assert_eq!(content(&view, second.get(5)), honest(3));
    // Nothing is read twice, and nothing to take the place of what is in quarantine.
    let store = Store::open(&daemon.state_dir(), Access::Traversable).unwrap();
    store.quarantine(&common(), &action(5), (&output(&honest(2)), Some(&condition(scopes::STD, 2)))).unwrap();
    std::fs::rename(layer.join("objects"), dir.path().join("aside")).unwrap();
    let Reply::Conditional { candidates } = session(&daemon, "third", 30_101).get(5) else { panic!("no offer") };
    assert_eq!((candidates.len(), copied(&daemon), daemon.status().layers[0].damaged), (2, 2, 0));
}

#[test]
fn what_vet_found_comes_with_what_it_printed() {
    let dir = tempfile::tempdir().unwrap();
    let subkey = action(5).subkey("stdout");
    let layer = layer(dir.path(), "layer", |session| {
        let printed = Output { id: output(b"printed"), size: 7 };
        session.send(Request::PutPrivate { action: subkey, output: printed }, b"printed");
        session.reply();
        let shared = Some(condition(scopes::VET_OUTPUT, 1));
        session.tell(0, Request::Share { action: subkey, output: printed.id, condition: shared }, b"");
        session.put_private(5, b"facts");
        session.share(5, b"facts", Some(condition(scopes::VET, 1)));
    });
    let daemon = above(dir.path(), &[&layer], "");
    assert!(matches!(session(&daemon, "any", 30_101).get(5), Reply::Conditional { .. }));
    assert_eq!((copied(&daemon), stored(&daemon, &subkey).conditional.len()), (2, 1));
}

#[test]
fn what_is_damaged_in_a_layer_is_a_miss_and_the_log_has_one_line_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let damaged = layer(dir.path(), "damaged", |session| (1..5).for_each(|n| put(session, n, &honest(n))));
    let whole = layer(dir.path(), "whole", |session| put(session, 3, &honest(3)));
    let object = |n| damaged.join(Store::object_name(&output(&honest(n))));
    for n in 1..4 {
        std::fs::remove_file(object(n)).unwrap();
    }
    std::fs::write(object(1), honest(9)).unwrap();
    std::fs::write(object(3), b"cut").unwrap();
    let (missing, empty) = (dir.path().join("missing"), dir.path().join("empty"));
    std::fs::create_dir(&empty).unwrap();
    let mut daemon = above(dir.path(), &[&missing, &empty, &damaged, &whole], "");
    for name in ["one", "two"] {
        assert_eq!(missed(&mut session(&daemon, name, 30_101), 1..5), [1, 2], "the third one is of the layer below");
    }
    let layers = daemon.status().layers;
    let figures: Vec<_> = layers.iter().map(|one| (one.copied, one.damaged, one.refused.is_some())).collect();
    assert_eq!(figures, [(0, 0, true), (0, 0, true), (1, 3, false), (1, 0, false)]);
    put(&mut session(&daemon, "puts", writer()), 1, &honest(1));
    assert_eq!(missed(&mut session(&daemon, "three", 30_101), 1..5), [2]);
    let log = daemon.stop();
    assert_eq!((log.matches("damaged or cannot be read").count(), log.matches("not using").count()), (1, 2), "{log}");
}

#[test]
fn a_layer_that_calls_a_tests_result_something_else_gives_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let layer = layer(dir.path(), "layer", |session| (1..3).for_each(|n| put(session, n, &honest(n))));
    let result: &[u8] = b"ok  \tm\t0.01s\n";
    let found = store::Layer::open(&layer).unwrap().get(&common(), &action(1)).plain.unwrap();
    let claimed = Record { output: Output { id: output(result), size: result.len() as u64 }, ..found };
    let replace = |path: PathBuf, bytes: &[u8]| {
        drop(std::fs::remove_file(&path));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let namespace = std::fs::read_dir(layer.join("records")).unwrap().next().unwrap().unwrap().path();
    replace(namespace.join("0").join(action(1).to_string()), claimed.to_line(&action(1)).as_bytes());
    replace(layer.join(Store::object_name(&claimed.output.id)), result);
    let daemon = above(dir.path(), &[&layer], "");
    assert_eq!(missed(&mut session(&daemon, "any", 30_101), 1..3), [1]);
    assert_eq!((copied(&daemon), daemon.status().layers[0].damaged, daemon.status().entries), (1, 1, 1));
}

#[test]
fn a_layer_takes_no_place_from_what_builds_put_under_conditions() {
    let dir = tempfile::tempdir().unwrap();
    let share = |session: &mut Session, digest| {
        session.put_private(5, &honest(digest));
        session.share(5, &honest(digest), Some(condition(scopes::STD, digest)));
    };
    let layer = layer(dir.path(), "layer", |session| share(session, 200));
    let daemon = above(dir.path(), &[&layer], "");
    let most = u8::try_from(store::CONDITIONS_KEPT).unwrap();
    let mut builds = session(&daemon, "builds", writer());
    (0..most).for_each(|digest| share(&mut builds, digest));
    assert!(matches!(session(&daemon, "any", 30_101).get(5), Reply::Conditional { .. }));
    let kept = stored(&daemon, &action(5)).conditional;
    assert_eq!((copied(&daemon), kept.len()), (0, store::CONDITIONS_KEPT));
}

#[test]
fn what_is_in_quarantine_does_not_come_back_from_a_layer_before_it_is_purged() {
    let dir = tempfile::tempdir().unwrap();
    let layer = layer(dir.path(), "layer", |session| (0..250).for_each(|n| put(session, n, &honest(n))));
    let daemon = above(dir.path(), &[&layer], SETTINGS);
    let mut first = session(&daemon, "first", writer());
    let withheld = missed(&mut first, 0..250);
    assert!((1..100).contains(&withheld.len()), "{withheld:?}");
    withheld.iter().for_each(|n| put(&mut first, *n, OTHER));
    let found = daemon.status().verification;
    assert_eq!((found.compared, found.differing), (withheld.len() as u64, withheld.len() as u64));
    assert!(found.differences[0].to_string().contains("of a layer was shared"), "{}", found.differences[0]);
    let aside = dir.path().join("aside");
    std::fs::rename(layer.join("objects"), &aside).unwrap();
    assert_eq!(missed(&mut session(&daemon, "user", 30_101), 0..250), withheld);
    assert_eq!(daemon.status().layers[0].damaged, 0, "nothing of it was looked for");
    std::fs::rename(aside, layer.join("objects")).unwrap();
    let store = Store::open_read_only(&daemon.state_dir()).unwrap();
    let later = SystemTime::now() + Duration::from_secs(3600);
    let purge = |filter| store.evictor().purge(&filter, later, Mode::Apply, &mut |_| {}).unwrap().entries;
    assert_eq!(purge(PurgeFilter::Quarantined), withheld.len() as u64);
    assert_eq!(purge(PurgeFilter::OfLayers), 250 - withheld.len() as u64);
    assert_eq!(missed(&mut session(&daemon, "again", 30_102), 0..250), [0; 0], "it comes back");
}

#[test]
fn who_names_a_layer_is_the_second_witness() {
    let dir = tempfile::tempdir().unwrap();
    let layer = layer(dir.path(), "layer", |session| [1, 200].iter().for_each(|n| put(session, *n, &honest(*n))));
    let daemon = above(dir.path(), &[&layer], "[trust]\nwitnesses = 2\n");
    assert_eq!(missed(&mut session(&daemon, "any", 30_101), [1, 200]), [0; 0]);
    put(&mut session(&daemon, "one", writer()), 2, &honest(2));
    assert_eq!(missed(&mut session(&daemon, "any", 30_101), [2]), [2]);
}
