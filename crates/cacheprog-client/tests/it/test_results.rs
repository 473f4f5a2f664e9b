use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::wire::Request;

use crate::fake_go::Go;
use crate::scripted_daemon::{Behaviour, Daemon, decisions};

const LOG: &[u8] = b"# test log\nopen testdata/golden\n";
const RESULT: &[u8] = b"ok  \texample.test/m\t0.01s\n";

fn start(dir: &Path, daemon: &Daemon, more: &[(&str, &str)]) -> Go {
    std::thread::sleep(Duration::from_millis(30)); // the files are older than the go command
    let socket = daemon.socket();
    let env = [&[("NIX_GOCACHEPROG_SOCKET", socket.as_str())], more].concat();
    Go::start_as_go(dir, &dir.join("module"), &["test", "./..."], &env)
}

/// A module with a test, and a daemon that has its log (1) and its result (2).
fn tested(dir: &Path) -> Daemon {
    let module = dir.join("module");
    std::fs::create_dir_all(module.join("testdata")).unwrap();
    std::fs::write(module.join("go.mod"), "module example.test/m\n").unwrap();
    std::fs::write(module.join("m_test.go"), "package m\n").unwrap();
    std::fs::write(module.join("testdata/golden"), "one").unwrap();
    let daemon = Daemon::start(dir, Behaviour::Correct);
    let mut go = start(dir, &daemon, &[]);
    go.put(1, LOG);
    go.put(2, RESULT);
    go.finish();
    daemon
}

#[test]
fn a_result_of_another_build_is_a_hit_while_its_files_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (module, daemon) = (dir.path().join("module"), tested(dir.path()));
    let again = |expected: Option<&[u8]>, more: &[(&str, &str)]| {
        let mut go = start(dir.path(), &daemon, more);
        assert_eq!(go.get(1).as_deref(), Some(LOG));
        assert_eq!(go.get(2).as_deref(), expected);
        go.finish();
    };
    again(Some(RESULT), &[]);
    again(None, &[("NIX_GOCACHEPROG_TESTS", "0")]);
    std::fs::write(module.join("testdata/golden"), "two").unwrap();
    again(None, &[]);
    std::fs::write(module.join("testdata/golden"), "one").unwrap();
    again(Some(RESULT), &[]);
    // The daemon is told what was decided about each offer.
    let (yes, no) = (Request::Accepted(0), Request::Rejected);
    assert_eq!(decisions(&daemon, 4), [yes.clone(), no.clone(), no, yes]);
}

/// Replaces the result's list of inputs by a pipe: opening it waits for a writer. Returns its path, and the list.
fn replace_list_by_pipe(daemon: &Daemon) -> (PathBuf, Vec<u8>) {
    let list = daemon.view.join("o").join(daemon.list(2).to_string());
    let text = std::fs::read(&list).unwrap();
    std::fs::remove_file(&list).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &list, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    (list, text)
}

/// While a result's list cannot be read, all other requests are answered: by the thread that reads cmd/go, and by the one that
/// reads the daemon. Only requests that have to read files as well wait for their turn.
#[test]
fn other_requests_are_answered_while_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = tested(dir.path());
    let (list, text) = replace_list_by_pipe(&daemon);
    let (release, released) = std::sync::mpsc::sync_channel::<()>(1);
    let writer = std::thread::spawn(move || {
        // A client that waits for it would wait for ever.
        let was_released = released.recv_timeout(Duration::from_secs(20)).is_ok();
        std::fs::write(&list, text).unwrap();
        was_released
    });
    let mut go = start(dir.path(), &daemon, &[]);
    let offered = go.ask_get(2);
    assert_eq!(go.get(1).as_deref(), Some(LOG));
    go.put(3, b"# test log\nstat testdata/golden\n");
    let result = go.ask_put(4, b"ok  \texample.test/m\t0.02s\n");
    go.put(5, b"an archive");
    assert_eq!(go.get(5).as_deref(), Some(b"an archive".as_slice()));
    assert!(!daemon.has(4), "its list is made after the other one is checked");
    release.send(()).unwrap();
    assert!(writer.join().unwrap(), "no request was answered meanwhile");
    assert!(go.answer(offered)["DiskPath"].as_str().is_some());
    go.stored(result);
    go.finish();
    assert!(daemon.has(4));
}

/// Reading a file may never end, as on a file system whose server is gone. cmd/go is answered all the same, and the client ends.
#[test]
fn a_file_whose_reading_never_ends_delays_no_request_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = tested(dir.path());
    replace_list_by_pipe(&daemon);
    let mut go = start(dir.path(), &daemon, &[]);
    let offered = go.ask_get(2);
    assert_eq!(go.get(1).as_deref(), Some(LOG));
    go.put(3, b"# test log\nstat testdata/golden\n");
    let result = go.ask_put(4, b"ok  \texample.test/m\t0.02s\n");
    assert_eq!(go.answer(offered)["Miss"], true);
    go.stored(result);
    // The thread that hangs gets no more jobs.
    go.put(6, b"# test log\nopen testdata/golden\n");
    assert_eq!(go.get(2), None);
    go.put(7, b"ok  \texample.test/m\t0.03s\n");
    go.finish();
    assert!(daemon.has(4) && daemon.has(7));
    assert_eq!(decisions(&daemon, 2), [Request::Rejected, Request::Rejected]);
}
