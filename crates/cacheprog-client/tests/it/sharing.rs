use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::wire::Request;
use sha2::{Digest, Sha256};

use crate::fake_go::Go;
use crate::scripted_daemon::{Behaviour, Daemon, decisions};
use crate::soon;

/// A package of Go alone, `example.test/m/greet`.
const GREET: &[u8] = include_bytes!("../../../store/tests/data/greet.a");

/// The same package with an object that a C compiler made.
pub(crate) fn with_c() -> Vec<u8> {
    let object = "\x7fELF and more bytes of C ";
    let header = format!("{:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", "x.o", 0, 0, 0, 644, object.len());
    [GREET, header.as_bytes(), object.as_bytes()].concat()
}

pub(crate) fn subkey(action: u8, name: &str) -> [u8; 32] {
    Sha256::new().chain_update("subkey:").chain_update([action; 32]).chain_update(name).finalize().into()
}

pub(crate) fn printed(action: u8) -> [u8; 32] {
    subkey(action, "stdout")
}

/// A module with a header, older than the go commands.
pub(crate) fn module(dir: &Path) -> PathBuf {
    let module = dir.join("module");
    std::fs::create_dir_all(module.join("greet")).unwrap();
    std::fs::write(module.join("go.mod"), "module example.test/m\n\ngo 1.24\n").unwrap();
    std::fs::write(module.join("greet/greet.go"), "package greet\n").unwrap();
    std::fs::write(module.join("greet/x.h"), "1\n").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    module
}

/// A go command of a build of its own.
fn start(dir: &Path, daemon: &Daemon, build: &str, arguments: &[&str]) -> Go {
    let of_build = dir.join(build);
    std::fs::create_dir_all(&of_build).unwrap();
    let path = std::env::var("PATH").unwrap();
    let env = [("NIX_GOCACHEPROG_SOCKET", daemon.socket()), ("PATH", path), ("GOVERSION", "go1.26.8".to_owned())];
    Go::start_as_go(
        &of_build,
        &dir.join("module"),
        arguments,
        &env.each_ref().map(|(name, value)| (*name, value.as_str())),
    )
}

/// What was shared, by the first byte of its action or by its name, with its scope. The daemon may read it a moment later.
fn shares(daemon: &Daemon, names: &[([u8; 32], &str)], count: usize) -> Vec<(String, Option<String>)> {
    let name = |action: &[u8; 32]| {
        let known = names.iter().find(|(known, _)| known == action).map(|(_, name)| (*name).to_owned());
        known.unwrap_or_else(|| action[0].to_string())
    };
    for _ in 0..500 {
        if daemon.shares.lock().unwrap().len() >= count.max(1) {
            break;
        }
        std::thread::sleep(Duration::from_millis(if count == 0 { 1 } else { 10 }));
    }
    let shares = daemon.shares.lock().unwrap();
    let scope = |condition: &proto::Condition| condition.scope.to_string();
    let mut all: Vec<_> =
        shares.iter().map(|(action, condition)| (name(&action.0), condition.as_ref().map(scope))).collect();
    all.sort();
    all
}

/// After this many conditions, those whose parts were told.
fn told(daemon: &Daemon, count: usize) -> Vec<proto::Condition> {
    soon(|| daemon.parts.lock().unwrap().len() >= count);
    daemon.parts.lock().unwrap().clone()
}

#[test]
fn compiled_go_is_for_everyone_at_once_and_what_belongs_to_it_follows() {
    let dir = tempfile::tempdir().unwrap();
    module(dir.path());
    let daemon = Daemon::start(dir.path(), Behaviour::Correct);
    let mut go = start(dir.path(), &daemon, "one", &["build", "./..."]);
    go.put(subkey(1, "srcfiles"), b"./greet.go\n");
    go.put(printed(1), b"");
    go.put(1, GREET);
    go.put(2, b"# test log\n");
    go.put(3, b"go index v2\n");
    go.put(4, b"mode: set\n");
    go.put(5, b"any other\n\n");
    go.finish();
    assert!(!daemon.hellos.lock().unwrap().last().unwrap().only_conditional);
    assert_eq!([1, 2, 3, 4, 5].map(|action| daemon.has_plain(action)), [true, true, false, false, false]);
    let names = [(subkey(1, "srcfiles"), "srcfiles"), (printed(1), "stdout")];
    assert_eq!(shares(&daemon, &names, 2), [("srcfiles".to_owned(), None), ("stdout".to_owned(), None)]);
}

#[test]
fn what_has_a_condition_is_another_builds_while_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path());
    let daemon = Daemon::start(dir.path(), Behaviour::OffersShares);
    let mut go = start(dir.path(), &daemon, "one", &["build", "./..."]);
    go.put(printed(1), b"");
    go.put(1, &with_c());
    go.finish();
    assert!(!daemon.has_plain(1));
    let scope = Some("module example.test/m".to_owned());
    assert_eq!(
        shares(&daemon, &[(printed(1), "stdout")], 2),
        [("1".to_owned(), scope.clone()), ("stdout".to_owned(), scope)]
    );
    let condition = daemon.shares.lock().unwrap()[0].1.clone().unwrap();
    assert_eq!(told(&daemon, 1), [condition]);
    let again = |expected: bool| {
        let mut go = start(dir.path(), &daemon, "two", &["build", "./..."]);
        assert_eq!(go.get(1).is_some(), expected);
        assert_eq!(go.get(printed(1)).is_some(), expected);
        go.finish();
    };
    again(true);
    std::fs::write(module.join("greet/x.h"), "2\n").unwrap();
    again(false);
    std::fs::write(module.join("greet/x.h"), "1\n").unwrap();
    std::fs::write(module.join("greet/greet.go"), "package greet // edited\n").unwrap();
    again(true);
    let [yes, no] = [Request::Accepted(0), Request::Rejected];
    assert_eq!(decisions(&daemon, 6), [yes.clone(), yes.clone(), no.clone(), no, yes.clone(), yes]);
    assert_eq!(told(&daemon, 2).len(), 2, "the parts of what differed are told");
}

#[test]
fn what_changed_since_the_go_command_began_is_not_shared() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path());
    let daemon = Daemon::start(dir.path(), Behaviour::OffersShares);
    let mut go = start(dir.path(), &daemon, "one", &["build", "./..."]);
    std::fs::write(module.join("greet/x.h"), "2\n").unwrap();
    go.put(printed(1), b"");
    go.put(1, &with_c());
    go.finish();
    assert_eq!(shares(&daemon, &[], 0), []);
}

#[test]
fn a_go_command_that_brings_in_more_takes_and_gives_under_the_condition_of_everything() {
    let dir = tempfile::tempdir().unwrap();
    module(dir.path());
    let daemon = Daemon::start(dir.path(), Behaviour::OffersShares);
    let unclean = ["build", "-toolexec=./wrap", "./..."];
    let mut go = start(dir.path(), &daemon, "one", &unclean);
    go.put(printed(1), b"");
    go.put(1, GREET);
    go.finish();
    assert!(daemon.hellos.lock().unwrap().last().unwrap().only_conditional && !daemon.has_plain(1));
    let scope = Some("tree with Go".to_owned());
    assert_eq!(
        shares(&daemon, &[(printed(1), "stdout")], 2),
        [("1".to_owned(), scope.clone()), ("stdout".to_owned(), scope)]
    );
    for (arguments, expected) in [(&["build", "./..."][..], false), (&unclean, true), (&["vet", "-toolexec=x"], false)]
    {
        let mut go = start(dir.path(), &daemon, "two", arguments);
        assert_eq!(go.get(1).is_some(), expected, "{arguments:?}");
        go.finish();
    }
}

/// Without its daemon a client keeps what it puts in the spool, with whom it is for; a later one hands it on so.
#[test]
fn the_spool_keeps_for_whom_an_entry_is() {
    let dir = tempfile::tempdir().unwrap();
    module(dir.path());
    let daemon = Daemon::start(dir.path(), Behaviour::Disconnects(0));
    let mut go = start(dir.path(), &daemon, "one", &["build", "./..."]);
    for (action, package) in [(1, GREET.to_vec()), (2, with_c())] {
        go.put(printed(action), b"");
        go.put(action, &package);
    }
    go.put(3, b"any other\n\n");
    go.finish();
    let daemon = Daemon::start(dir.path(), Behaviour::OffersShares);
    let mut go = start(dir.path(), &daemon, "one", &["build", "./..."]);
    assert!((0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        [1, 2, 3].iter().all(|&action| daemon.has(action)) && daemon.has(printed(1)) && daemon.has(printed(2))
    }));
    go.put(4, b"x"); // so that it ends after the flush
    go.finish();
    assert_eq!([1, 2, 3].map(|action| daemon.has_plain(action)), [true, false, false]);
    assert!(daemon.has_plain(printed(1)) && !daemon.has_plain(printed(2)));
    let scope = Some("module example.test/m".to_owned());
    assert_eq!(
        shares(&daemon, &[(printed(2), "stdout")], 2),
        [("2".to_owned(), scope.clone()), ("stdout".to_owned(), scope)]
    );
}

/// Without a daemon the same rules hold, in the user's own store.
#[test]
fn an_embedded_store_has_the_same_rules() {
    let dir = tempfile::tempdir().unwrap();
    let module = module(dir.path());
    let path = std::env::var("PATH").unwrap();
    let cache = dir.path().join("cache").to_str().unwrap().to_owned();
    let start = |gocache: &str, arguments: &[&str]| {
        std::thread::sleep(Duration::from_millis(50));
        let of_gocache = dir.path().join(gocache);
        std::fs::create_dir_all(&of_gocache).unwrap();
        let env = [("XDG_CACHE_HOME", cache.as_str()), ("PATH", path.as_str()), ("GOVERSION", "go1.26.8")];
        Go::start_as_go(&of_gocache, &module, arguments, &env)
    };
    let build = ["build", "./..."];
    let mut go = start("one", &build);
    for (action, package) in [(1, GREET.to_vec()), (2, with_c())] {
        go.put(printed(action), b"");
        go.put(action, &package);
    }
    go.put(3, b"any other\n\n");
    go.put(4, b"go index v2\n");
    go.finish();
    let found = |gocache: &str, arguments: &[&str]| {
        let mut go = start(gocache, arguments);
        let found = [1, 2, 3, 4].map(|action| go.get(action).is_some());
        go.finish();
        found
    };
    assert_eq!(found("one", &build), [true, true, true, true]);
    assert_eq!(found("two", &build), [true, true, false, true], "what has no condition is for one GOCACHE");
    assert_eq!(found("two", &["build", "-overlay=x.json"]), [false, false, false, false]);
    std::fs::write(module.join("greet/x.h"), "2\n").unwrap();
    assert_eq!(found("one", &build), [true, true, true, true], "a GOCACHE finds what it had, as without this program");
    assert_eq!(found("two", &build), [true, false, false, true]);
}
