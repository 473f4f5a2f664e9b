//! How the go command that started us was called: arguments, directory and settings. `cacheprogctl why` explains misses with
//! it; it decides nothing.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use proto::wire::Command;

use crate::parent_process::parent_file;

/// Limits of each text, in bytes, and of the arguments. All of them, with each character escaped, are far below the limit of a
/// hello; a longer hello would get no session.
const MAX_TEXT: usize = 200;
const MAX_ARGUMENTS: usize = 24;

/// Variables that are in Go's keys (cmd/go/internal/work/exec.go `buildActionID`, cmd/go/internal/cfg, Go 1.21-1.27). cmd/go
/// exports the values that it computed to its cache program.
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

/// Reads the parent's command line and the environment that it gave us.
#[expect(clippy::disallowed_methods, reason = "what is read here decides nothing")]
pub(crate) fn describe() -> Command {
    let line = parent_file("cmdline").and_then(|path| fs::read(path).ok()).unwrap_or_default();
    let directory = std::env::current_dir().map(|dir| printable(dir.as_os_str().as_bytes())).unwrap_or_default();
    let setting =
        |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| pair(name, &value));
    Command { arguments: arguments(&line), directory, settings: SETTINGS.iter().filter_map(setting).collect() }
}

fn pair(name: &str, value: &OsStr) -> String {
    format!("{name}={}", printable(value.as_bytes()))
}

/// The arguments in a `/proc/PID/cmdline`.
fn arguments(line: &[u8]) -> Vec<String> {
    let line = line.strip_suffix(b"\0").unwrap_or(line);
    line.split(|&byte| byte == 0).take(MAX_ARGUMENTS).map(printable).collect()
}

fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]);
    text.chars().map(|c| if c.is_control() || c == char::REPLACEMENT_CHARACTER { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_described_up_to_its_limits() {
        assert_eq!(arguments(b"go\0build\0-tags=a b\0\0./...\0"), ["go", "build", "-tags=a b", "", "./..."]);
        assert_eq!(arguments(&b"x\0".repeat(1000)).len(), MAX_ARGUMENTS);
        assert_eq!(arguments(&[b'x'; 100_000])[0].len(), MAX_TEXT);
        assert_eq!(arguments(b"a\nb\xff"), ["a?b?"]);
    }

    #[test]
    fn the_longest_command_fits_a_hello() {
        let arguments = arguments(&[&[b'"'; 300][..], b"\0"].concat().repeat(100));
        let settings = SETTINGS.iter().map(|name| format!("{name}={}", printable(&[b'\\'; 300]))).collect();
        let command = Command { arguments, directory: printable(&[b'"'; 5000]), settings };
        assert!(serde_json::to_vec(&command).unwrap().len() < proto::limits::HELLO_LINE * 3 / 4);
    }
}
