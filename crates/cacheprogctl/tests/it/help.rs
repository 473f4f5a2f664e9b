use std::process::Command;

const COMMANDS: [&str; 13] = [
    "status",
    "builds",
    "why",
    "top",
    "doctor",
    "gc",
    "verify",
    "purge",
    "export",
    "check",
    "install",
    "uninstall",
    "",
];

fn help(command: &str, option: &str) -> String {
    let mut cacheprogctl = Command::new(env!("CARGO_BIN_EXE_cacheprogctl"));
    let words = [command, option].into_iter().filter(|word| !word.is_empty());
    let output = cacheprogctl.args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_short_help_is_shorter_than_the_long_one_and_neither_is_wide() {
    for command in COMMANDS {
        let [short, long] = ["-h", "--help"].map(|option| help(command, option));
        assert!(short.lines().count() < long.lines().count(), "{command}: {short}{long}");
        // Elsewhere than on a terminal a line has 100 columns at most.
        for line in short.lines().chain(long.lines()).filter(|line| !line.starts_with("Usage:")) {
            assert!(line.chars().count() <= 100, "{command}: {line}");
        }
    }
}
