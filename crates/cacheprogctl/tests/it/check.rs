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

#[test]
fn a_file_of_the_hook_is_known_by_its_name_or_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [("hook.toml", "# nothing\n"), ("other.toml", "mode = \"transparent\"\n")] {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_cacheprogctl")).arg("check").arg(&file).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("/etc/nix-gocacheprog/hook --check FILE"), "{error}");
    }
}

#[test]
fn a_disk_with_less_free_than_the_settings_want_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("settings.toml");
    let check = |min_free: &str, state: &str| {
        std::fs::write(&file, format!("min-free = \"{min_free}\"\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
        let output = command.arg("check").arg(&file).arg("--state-dir").arg(dir.path().join(state)).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(check("900TiB", ".").contains("leaves no room for the cache"));
    assert_eq!(check("64MiB", "."), "");
    assert_eq!(check("900TiB", "none"), "", "a machine on which the daemon does not run");
}
