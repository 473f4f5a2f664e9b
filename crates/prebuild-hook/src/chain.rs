//! Runs other pre-build-hooks before this one: nix.conf takes only one.
//!
//! They get the arguments, environment and standard error that Nix gave to this process, and no deadline, as Nix sets none.
//! Their output counts as it would without us (docs/facts/nix.md, "What the hook prints"): an unfinished last line is dropped,
//! and a hook that fails ends the build. Only a hook that cannot be started is skipped, where Nix would end the build.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// First lines of the sections that Nix accepts.
const SECTION_NAMES: [&[u8]; 2] = [b"extra-sandbox-paths", b"extra-chroot-dirs"];

/// This variable is set for the hooks of a chain. A chain that contains this hook again would otherwise never end.
pub(crate) const CHAINED: &str = "NIX_GOCACHEPROG_CHAINED";

/// The output of the other hooks.
#[derive(Debug, Default)]
pub(crate) struct ChainOutput {
    /// For Nix: complete sections; the text of a hook that Nix does not accept is unchanged.
    pub(crate) text: Vec<u8>,
    /// Whether further sections can follow.
    pub(crate) is_complete: bool,
    /// The exit code of the first hook that failed; then nothing is printed.
    pub(crate) failed: Option<u8>,
    /// Hooks that could not be started.
    pub(crate) missing: Vec<(PathBuf, std::io::Error)>,
}

/// Runs the hooks one after another, up to the first that fails.
pub(crate) fn run(programs: &[PathBuf], args: &[OsString]) -> ChainOutput {
    let mut all = ChainOutput { is_complete: true, ..ChainOutput::default() };
    for program in programs {
        let mut command = Command::new(program);
        let result = command.args(args).env(CHAINED, "1").stderr(Stdio::inherit()).stdin(Stdio::inherit()).output();
        match result {
            Ok(output) if output.status.success() => {
                let (text, is_complete) = sections(&output.stdout);
                all.text.extend(text);
                if !is_complete {
                    return ChainOutput { is_complete, ..all };
                }
            }
            Ok(output) => return ChainOutput { failed: Some(exit_code(output.status)), ..all },
            Err(e) => all.missing.push((program.clone(), e)),
        }
    }
    all
}

/// The exit code of a failed hook; for a signal the one that a shell gives.
fn exit_code(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).filter(|&number| number != 0).unwrap_or(1)
}

/// A hook's output with its last section ended, and whether another's can follow: after text that Nix refuses it reads nothing.
fn sections(output: &[u8]) -> (Vec<u8>, bool) {
    let end = output.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
    let mut text = output[..end].to_vec();
    let mut in_section = false;
    for line in output[..end].split_inclusive(|&byte| byte == b'\n') {
        let line = &line[..line.len() - 1];
        if in_section {
            in_section = !line.is_empty();
        } else if SECTION_NAMES.contains(&line) {
            in_section = true;
        } else {
            return (text, false);
        }
    }
    if in_section {
        text.push(b'\n');
    }
    (text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_sections_are_ended_and_an_unfinished_line_is_dropped() {
        for (output, expected, is_complete) in [
            ("", "", true),
            ("extra-sandbox-paths\n/a=/b\n\n", "extra-sandbox-paths\n/a=/b\n\n", true),
            ("extra-sandbox-paths\n/a=/b\n", "extra-sandbox-paths\n/a=/b\n\n", true),
            ("extra-sandbox-paths\n/a=/b", "extra-sandbox-paths\n\n", true),
            (
                "extra-sandbox-paths\n/a\n\nextra-chroot-dirs\n/b\n",
                "extra-sandbox-paths\n/a\n\nextra-chroot-dirs\n/b\n\n",
                true,
            ),
            ("cut", "", true),
            ("what\n/a\n", "what\n/a\n", false),
            ("\n", "\n", false),
        ] {
            let (text, complete) = sections(output.as_bytes());
            assert_eq!((String::from_utf8(text).unwrap().as_str(), complete), (expected, is_complete), "{output:?}");
        }
    }
}
