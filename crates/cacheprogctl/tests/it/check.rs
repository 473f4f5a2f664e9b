use std::process::{Command, Output};

/// Runs `check` on a file with this text.
fn check(text: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    std::fs::write(&file, text).unwrap();
    Command::new(env!("CARGO_BIN_EXE_cacheprogctl")).arg("check").arg(&file).output().unwrap()
}

#[test]
fn valid_settings_are_named_as_valid() {
    let output = check("http = \"127.0.0.1:9417\"\nstatus-socket = \"none\"\nmax-size = \"1GiB\"\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).ends_with("settings.toml: valid\n"), "{output:?}");
}

#[test]
fn a_wrong_value_is_refused_with_the_line_of_the_file_and_a_drawing() {
    for (text, end) in [
        ("\nhttp = \"nonsense\"\n", "line 2: http: write ADDRESS:PORT, such as 127.0.0.1:9417, or an absolute path\n"),
        ("status-socket = \"relative/x\"\n", "line 1: status-socket: write an absolute path, or none\n"),
        ("http = \":9417\"\n", "line 1: http: write ADDRESS:PORT, such as 127.0.0.1:9417, or an absolute path\n"),
        (
            "http = \"-a.example:80\"\n",
            "line 1: http: write ADDRESS:PORT, such as 127.0.0.1:9417, or an absolute path\n",
        ),
        ("min-free = \"95%\"\n", "line 1: min-free: write a percentage from 1% to 90%\n"),
    ] {
        let output = check(text);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(output.stdout.is_empty() && error.contains(end) && error.lines().count() == 4, "{error}");
        assert!(error.lines().last().is_some_and(|line| line.contains('^')), "{error}");
    }
}

#[test]
fn a_file_that_does_not_exist_is_refused_with_the_cause() {
    let output = Command::new(env!("CARGO_BIN_EXE_cacheprogctl")).args(["check", "/does/not/exist"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.ends_with("cannot read the settings /does/not/exist: No such file or directory (os error 2)\n"),
        "{error}"
    );
}
