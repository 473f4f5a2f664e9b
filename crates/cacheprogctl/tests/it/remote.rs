use std::path::Path;
use std::process::{Command, Output};

/// The program by itself in a directory.
fn alone() -> (tempfile::TempDir, impl Fn(&[&str]) -> Output) {
    let built = Path::new(env!("CARGO_BIN_EXE_cacheprogctl"));
    let dir = tempfile::tempdir_in(built.parent().unwrap()).unwrap();
    let program = dir.path().join("cacheprogctl");
    std::fs::hard_link(built, &program).unwrap();
    let run = move |arguments: &[&str]| Command::new(&program).args(arguments).env("PATH", "").output().unwrap();
    (dir, run)
}

#[test]
fn cacheprog_remote_is_run_in_its_place_with_all_that_follows() {
    let (dir, run) = alone();
    std::os::unix::fs::symlink("/bin/sh", dir.path().join("cacheprog-remote")).unwrap();
    let ran = run(&["remote", "-c", "echo \"$@\"; exit 7", "gc", "--help", "--kept-for", "30d", "-n", "--", "x"]);
    assert_eq!(ran.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "--help --kept-for 30d -n -- x\n");
    let name = run(&["remote", "-c", "echo \"$0\""]);
    assert_eq!(String::from_utf8_lossy(&name.stdout), "cacheprogctl remote\n", "its help names the command to type");
}

#[test]
fn where_it_is_missing_that_is_said() {
    let (_dir, run) = alone();
    let failed = run(&["remote", "gc"]);
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(1));
    assert!(told.contains("install it beside cacheprogctl, or in PATH: No such file"), "{told}");
}
