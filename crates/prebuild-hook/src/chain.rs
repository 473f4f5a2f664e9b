//! Other hooks that run beside ours: nix.conf takes one `pre-build-hook` only.
//!
//! They get the arguments, environment and standard error that Nix gave to us, and no deadline, as Nix has none. What they
//! say counts as it would without us (docs/facts/nix.md, "What the hook prints"): a last line without an end is dropped, and a hook that fails
//! fails. Only one that cannot be started at all does less harm than it would: the build goes on without it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

/// What Nix accepts at the beginning of a section.
const SECTIONS: [&[u8]; 2] = [b"extra-sandbox-paths", b"extra-chroot-dirs"];

/// Set for the hooks of a chain: one that leads back to us, by whatever way, would never end.
pub(crate) const CHAINED: &str = "NIX_GOCACHEPROG_CHAINED";

/// What the other hooks said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// For Nix: whole sections, or, of a hook that makes no sense, its words as they were.
    pub(crate) text: Vec<u8>,
    /// Whether ours can follow.
    pub(crate) is_whole: bool,
    /// The first failure; then nothing is said.
    pub(crate) failed: Option<u8>,
    /// Programs that could not be started.
    pub(crate) missing: Vec<(PathBuf, std::io::Error)>,
}

/// Runs all of them, one after the other, up to the first that fails.
pub(crate) fn run(programs: &[PathBuf], args: &[OsString]) -> Said {
    let mut said = Said { is_whole: true, ..Said::default() };
    for program in programs {
        let mut command = Command::new(program);
        let ran = command.args(args).env(CHAINED, "1").stderr(Stdio::inherit()).stdin(Stdio::inherit()).output();
        match ran {
            Ok(output) if output.status.success() => {
                let (text, is_whole) = sections(&output.stdout);
                said.text.extend(text);
                if !is_whole {
                    return Said { is_whole, ..said };
                }
            }
            Ok(output) => return Said { failed: Some(code(output.status)), ..said },
            Err(e) => said.missing.push((program.clone(), e)),
        }
    }
    said
}

/// The exit code to fail with: theirs, or as a shell has it for a signal.
fn code(status: ExitStatus) -> u8 {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    number.and_then(|number| u8::try_from(number).ok()).filter(|&number| number != 0).unwrap_or(1)
}

/// A hook's output so that another's can follow, and whether it can: after words that Nix refuses nothing would be read.
fn sections(output: &[u8]) -> (Vec<u8>, bool) {
    let ended = output.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let mut text = output[..ended].to_vec();
    let mut in_section = false;
    for line in output[..ended].split_inclusive(|&byte| byte == b'\n') {
        let line = &line[..line.len() - 1];
        if in_section {
            in_section = !line.is_empty();
        } else if SECTIONS.contains(&line) {
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
    fn sections_are_ended_and_what_nix_drops_is_dropped() {
        for (said, expected, is_whole) in [
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
            let (text, whole) = sections(said.as_bytes());
            assert_eq!((String::from_utf8(text).unwrap().as_str(), whole), (expected, is_whole), "{said:?}");
        }
    }
}
