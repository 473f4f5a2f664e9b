use std::fs;
use std::path::Path;

use proto::wire::Toolchain;
use proto::{ActionId, limits};

use crate::fake_go::Go;
use crate::scripted_daemon::{Behaviour, Daemon};
use crate::soon;

const BODY: &[u8] = b"of the table";

fn start(dir: &Path, daemon: &Daemon) -> Go {
    let module = dir.join("module");
    fs::create_dir_all(&module).unwrap();
    Go::start_as_go(dir, &module, &["build", "./..."], &[("NIX_GOCACHEPROG_SOCKET", &daemon.socket())])
}

/// Puts a table with [`BODY`] for this action beside the daemon's socket.
fn add_table(dir: &Path, daemon: &Daemon, toolchain: &Toolchain, action: ActionId) {
    let (_, view) = testkit::build_with_table(&dir.join("state"), toolchain, action, BODY);
    for name in ["p", "table"] {
        fs::rename(view.join(name), daemon.view.join(name)).unwrap();
    }
}

/// The toolchain that clients name.
fn toolchain(dir: &Path) -> Toolchain {
    let daemon = Daemon::start(&dir.join("greeted"), Behaviour::Correct);
    start(dir, &daemon).finish();
    let hellos = daemon.hellos.lock().unwrap();
    hellos[0].toolchain.clone()
}

#[test]
fn what_was_used_of_the_table_while_the_daemon_is_gone_is_told_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), Behaviour::DisconnectsFirst);
    let action = ActionId([7; 32]);
    add_table(dir.path(), &daemon, &toolchain(dir.path()), action);
    let mut go = start(dir.path(), &daemon);
    let away = dir.path().join("away");
    fs::rename(daemon.view.join("sock"), &away).unwrap(); // no other client reaches it
    assert_eq!(go.get(1), None, "the daemon is gone");
    for _ in 0..=limits::USED {
        assert_eq!(go.get(action.0).unwrap(), BODY);
    }
    fs::rename(away, daemon.view.join("sock")).unwrap();
    let is_back = soon(|| {
        go.put(2, b"another");
        daemon.has(2)
    });
    assert!(is_back);
    go.finish();
    soon(|| daemon.used.lock().unwrap().len() > limits::USED);
    let used = daemon.used.lock().unwrap();
    assert_eq!(used.len(), limits::USED + 1);
    assert!(used.iter().all(|one| *one == action));
}
