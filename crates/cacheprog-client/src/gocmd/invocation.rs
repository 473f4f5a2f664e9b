//! What the go command that started us was asked to do, for those who want to know why it missed. It decides nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use proto::wire::Command;

use crate::environment::of_parent;

/// Longest text of each kind, in bytes, and most arguments: all of them, with each character escaped, are far under the limit of
/// a hello, beyond which there would be no session.
const LONGEST: usize = 200;
const MOST_ARGUMENTS: usize = 24;

/// Variables that are in Go's keys (cmd/go/internal/work/exec.go `buildActionID`, cmd/go/internal/cfg, Go 1.21-1.27). What
/// cmd/go computes it exports to its cache program.
const SETTINGS: [&str; 22] = [
    "AR",
    "CC",
    "CGO_CFLAGS",
    "CGO_CPPFLAGS",
    "CGO_CXXFLAGS",
    "CGO_ENABLED",
    "CGO_LDFLAGS",
    "CXX",
    "GO386",
    "GOAMD64",
    "GOARCH",
    "GOARM",
    "GOARM64",
    "GOEXPERIMENT",
    "GOFIPS140",
    "GOFLAGS",
    "GOMIPS",
    "GOOS",
    "GOPPC64",
    "GORISCV64",
    "GOVERSION",
    "GOWASM",
];

/// Looks at the parent and at the environment that it gave us.
#[expect(clippy::disallowed_methods, reason = "what is read here decides nothing")]
pub(crate) fn command() -> Command {
    let line = of_parent("cmdline").and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let directory = std::env::current_dir().map(|dir| text(dir.as_os_str().as_bytes())).unwrap_or_default();
    let setting =
        |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| pair(name, &value));
    Command { arguments: arguments(&line), directory, settings: SETTINGS.iter().filter_map(setting).collect() }
}

fn pair(name: &str, value: &OsStr) -> String {
    format!("{name}={}", text(value.as_bytes()))
}

/// The arguments in a `/proc/PID/cmdline`.
fn arguments(line: &[u8]) -> Vec<String> {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    line.split(|&byte| byte == 0).take(MOST_ARGUMENTS).map(text).collect()
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
    text.chars().map(|c| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_told_as_far_as_it_is_short() {
        assert_eq!(arguments(b"go\0build\0-tags=a b\0\0./...\0"), ["go", "build", "-tags=a b", "", "./..."]);
        assert_eq!(arguments(&b"x\0".repeat(1000)).len(), MOST_ARGUMENTS);
        assert_eq!(arguments(&[b'x'; 100_000])[0].len(), LONGEST);
        assert_eq!(arguments(b"a\nb\xff"), ["a?b?"]);
    }

    #[test]
    fn the_longest_command_fits_a_hello() {
        let arguments = arguments(&[&[b'"'; 300][..], b"\0"].concat().repeat(100));
        let settings = SETTINGS.iter().map(|name| format!("{name}={}", text(&[b'\\'; 300]))).collect();
        let command = Command { arguments, directory: text(&[b'"'; 5000]), settings };
        assert!(serde_json::to_vec(&command).unwrap().len() < proto::limits::HELLO_LINE * 3 / 4);
    }
}
