use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use proto::wire::Toolchain;
use proto::{ActionId, BuildId, Output, limits};
use store::{Access, Put, Replaces, Store, View};

use crate::fake_go::Go;
use crate::output;
use crate::scripted_daemon::{Behaviour, Daemon};

const BODY: &[u8] = b"of the table";

fn start(dir: &Path, daemon: &Daemon) -> Go {
    let module = dir.join("module");
    fs::create_dir_all(&module).unwrap();
    Go::start_as_go(dir, &module, &["build", "./..."], &[("NIX_GOCACHEPROG_SOCKET", &daemon.socket())])
}

/// Puts a table with [`BODY`] for this action beside the daemon's socket.
fn add_table(dir: &Path, daemon: &Daemon, toolchain: &Toolchain, action: ActionId) {
    let store = Store::open(&dir.join("state"), Access::Owner).unwrap();
    let (view, time) = (View::common(toolchain), SystemTime::now());
    let output = Output { id: output(BODY), size: BODY.len() as u64 };
    let mut body = store.stage(output, &mut &*BODY, &mut Vec::new()).unwrap();
    let origin = view.origin(None, "");
    let put = Put { action, time, cost_ms: 0, origin: &origin, condition: None, replaces: Replaces::Nothing };
    store.put(&view, &put, &mut body).unwrap();
    let record = store.get(&view, &action, time).unwrap().plain.unwrap();
    let build = store.create_build(BuildId([1; 16])).unwrap();
    let mut table = build.begin_table([3; 32]).unwrap();
    assert!(table.add(action, &record));
    table.finish([4; 32], toolchain, &HashSet::new()).unwrap();
    for name in ["p", "table"] {
        fs::rename(build.view().join(name), daemon.view.join(name)).unwrap();
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
    while !daemon.has(2) {
        sleep(Duration::from_millis(10));
        go.put(2, b"another");
    }
    go.finish();
    for _ in 0..500 {
        if daemon.used.lock().unwrap().len() > limits::USED {
            break;
        }
        sleep(Duration::from_millis(10)); // it may not have read the last ones yet
    }
    let used = daemon.used.lock().unwrap();
    assert_eq!(used.len(), limits::USED + 1);
    assert!(used.iter().all(|one| *one == action));
}
