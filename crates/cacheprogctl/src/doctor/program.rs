//! A program that Nix or a build runs, and what it answers when doctor runs it.

use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{StatVfsMountFlags, statvfs};

/// How long a program may take to answer. It reads a file at most.
const RUN_TIMEOUT: Duration = Duration::from_secs(10);

/// Between two looks at whether it has ended.
const POLL: Duration = Duration::from_millis(10);

/// A program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    /// `None` if it is not there.
    pub(crate) mode: Option<u32>,
    pub(crate) is_noexec: bool,
    /// The beginning of a script, to see what it runs.
    text: String,
}

impl Program {
    /// Looks at it.
    pub(crate) fn at(path: &Path) -> Self {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        let is_script = metadata.as_ref().is_some_and(|m| m.len() < 64 << 10);
        Self {
            path: path.to_owned(),
            mode: metadata.map(|m| m.mode() & 0o7777),
            is_noexec: statvfs(path).is_ok_and(|stat| stat.f_flag.contains(StatVfsMountFlags::NOEXEC)),
            text: if is_script { fs::read_to_string(path).unwrap_or_default() } else { String::new() },
        }
    }

    /// Whether it looks like nix-gocacheprog's hook, or a script that runs it.
    pub(crate) fn is_our_hook(&self) -> bool {
        let name = self.path.to_string_lossy();
        name.ends_with("prebuild-hook") || name.contains("nix-gocacheprog") || self.text.contains("prebuild-hook")
    }

    /// What it prints with `--version`; empty where it prints none.
    pub(crate) fn version(&self) -> String {
        let output = run(Command::new(&self.path).arg("--version"));
        output.map_or(String::new(), |output| first_characters(&output.stdout, 80))
    }

    /// What our hook finds wrong in its file of settings; `None` where it has no such file, or none that this user may read, and
    /// where it does not run.
    pub(crate) fn hook_settings(&self) -> Option<HookSettings> {
        if !self.is_our_hook() {
            return None;
        }
        let mut path = self.path.clone().into_os_string();
        path.push(".toml");
        fs::File::open(&path).ok()?;
        let output = run(Command::new(&self.path).arg("--check").arg(&path))?;
        let message = first_characters(&output.stderr, 500);
        // Below the message the parser draws the place.
        let message = message.lines().next().unwrap_or_default();
        let message = message.strip_prefix("nix-gocacheprog: ").unwrap_or(message);
        let error = (!output.status.success()).then(|| message.to_owned());
        Some(HookSettings { path: path.into(), error })
    }
}

/// The hook's file of settings, as the hook reads it.
#[derive(Debug, Clone, Default)]
pub(crate) struct HookSettings {
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) error: Option<String>,
}

fn first_characters(bytes: &[u8], characters: usize) -> String {
    String::from_utf8_lossy(bytes).trim().chars().take(characters).collect()
}

/// Runs it to its end; `None` where it does not start, or does not end in time, as one that prints without end.
fn run(command: &mut Command) -> Option<Output> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().ok()?;
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().ok()? {
            Some(status) => break status,
            None if begun.elapsed() > RUN_TIMEOUT => {
                drop(child.kill());
                drop(child.wait());
                return None;
            }
            None => sleep(POLL),
        }
    };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    child.stdout.take()?.read_to_end(&mut stdout).ok()?;
    child.stderr.take()?.read_to_end(&mut stderr).ok()?;
    Some(Output { status, stdout, stderr })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn our_hook_is_asked_about_the_settings_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hook");
        let check = "case $1 in --check) grep -q good \"$2\" || { printf 'nix-gocacheprog: line 1\\n  |\\n' >&2; exit 1; };; esac";
        fs::write(&path, format!("#!/bin/sh\n# as prebuild-hook\n{check}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let asked = || Program::at(&path).hook_settings();
        assert!(asked().is_none(), "there is no file");
        for (text, error) in [("good", None), ("bad", Some("line 1"))] {
            fs::write(dir.path().join("hook.toml"), text).unwrap();
            let found = asked().unwrap();
            assert_eq!((found.path.file_name().unwrap().to_str(), found.error.as_deref()), (Some("hook.toml"), error));
        }
        fs::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
        assert!(asked().is_none(), "it is another hook");
    }
}
