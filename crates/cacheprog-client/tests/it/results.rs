use std::path::Path;
use std::time::Duration;

use crate::daemon::{Daemon, Manner};
use crate::go::Go;

const LOG: &[u8] = b"# test log\nopen testdata/golden\n";
const RESULT: &[u8] = b"ok  \texample.test/m\t0.01s\n";

fn start(dir: &Path, daemon: &Daemon, more: &[(&str, &str)]) -> Go {
    std::thread::sleep(Duration::from_millis(30)); // the files are older than the go command
    let socket = daemon.socket();
    let env = [&[("NIX_GOCACHEPROG_SOCKET", socket.as_str())], more].concat();
    Go::start_in(dir, &dir.join("module"), &[], &env)
}

#[test]
fn a_result_of_another_build_is_a_hit_while_its_files_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let module = dir.path().join("module");
    std::fs::create_dir_all(module.join("testdata")).unwrap();
    std::fs::write(module.join("go.mod"), "module example.test/m\n").unwrap();
    std::fs::write(module.join("m_test.go"), "package m\n").unwrap();
    std::fs::write(module.join("testdata/golden"), "one").unwrap();
    let daemon = Daemon::start(dir.path(), Manner::Good);
    let mut go = start(dir.path(), &daemon, &[]);
    go.put(1, LOG);
    go.put(2, RESULT);
    go.finish();
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
}
