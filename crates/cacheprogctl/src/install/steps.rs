//! The steps of an installation. Each looks first and does nothing where its result is already there.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::iter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::InstallError;

/// The line above our line in nix.conf.
const BEGIN: &str = "# Added by `cacheprogctl install`, removed by `cacheprogctl uninstall`:";

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A file with this text.
    Write { path: PathBuf, text: String },
    /// A file with this text where there is none.
    WriteIfMissing { path: PathBuf, text: String },
    /// A symbolic link.
    Link { path: PathBuf, to: PathBuf },
    /// A line in a file that is not ours.
    AddLine { path: PathBuf, line: String },
    /// Removes that line.
    RemoveLine { path: PathBuf, line: String },
    /// Removes a file.
    Remove { path: PathBuf },
    /// Removes a file that begins with this line.
    RemoveIfBegins { path: PathBuf, line: &'static str },
    /// Removes a directory with all that is in it, or a link to one.
    RemoveTree { path: PathBuf },
    /// Removes a directory if it is empty.
    RemoveDir { path: PathBuf },
    /// Adds a group for services, where systemd runs.
    AddGroup { name: &'static str, has_systemd: bool },
    /// Removes it.
    RemoveGroup { name: &'static str, has_systemd: bool },
    /// Runs systemctl, where systemd runs.
    Systemctl { words: Vec<String>, has_systemd: bool },
}

/// Carries the steps out, or in a dry run only says them. Returns a line for each step that changes something.
pub(crate) fn carry_out(steps: &[Step], dry_run: bool) -> Result<String, InstallError> {
    let mut said = String::new();
    for step in steps {
        if let Some(line) = step.needed()? {
            if !dry_run {
                step.take()?;
            }
            said += &format!("{line}\n");
        }
    }
    Ok(said)
}

impl Step {
    /// The step in words, if it would change something.
    fn needed(&self) -> Result<Option<String>, InstallError> {
        let (said, needed) = match self {
            Self::Write { path, text } => (format!("write {}", path.display()), read(path)?.as_ref() != Some(text)),
            Self::WriteIfMissing { path, .. } => (format!("write {}", path.display()), read(path)?.is_none()),
            Self::Link { path, to } => {
                (format!("link {} to {}", path.display(), to.display()), fs::read_link(path).ok().as_ref() != Some(to))
            }
            Self::AddLine { path, line } => {
                (format!("add `{line}` to {}", path.display()), !has_line(&read(path)?.unwrap_or_default(), line))
            }
            Self::RemoveLine { path, line } => {
                (format!("remove `{line}` from {}", path.display()), has_line(&read(path)?.unwrap_or_default(), line))
            }
            Self::Remove { path } => (format!("remove {}", path.display()), fs::symlink_metadata(path).is_ok()),
            Self::RemoveIfBegins { path, line } => (
                format!("remove {}", path.display()),
                read(path)?.is_some_and(|text| text.lines().next() == Some(line)),
            ),
            Self::RemoveTree { path } => (format!("remove {}", path.display()), fs::symlink_metadata(path).is_ok()),
            Self::RemoveDir { path } => (format!("remove {}", path.display()), path.is_dir()),
            Self::AddGroup { name, has_systemd } => (format!("add the group {name}"), *has_systemd && !has_group(name)),
            Self::RemoveGroup { name, has_systemd } => {
                (format!("remove the group {name}"), *has_systemd && has_group(name))
            }
            Self::Systemctl { words, has_systemd } => (format!("systemctl {}", words.join(" ")), *has_systemd),
        };
        Ok(needed.then_some(said))
    }

    fn take(&self) -> Result<(), InstallError> {
        let on = |what, path: &Path, outcome: io::Result<()>| {
            outcome.map_err(|source| InstallError::Step { what, path: path.to_owned(), source })
        };
        match self {
            Self::Write { path, text } | Self::WriteIfMissing { path, text } => {
                on("writing", path, replace(path, text))
            }
            Self::Link { path, to } => on("linking", path, link(path, to)),
            Self::AddLine { path, line } => {
                let text = read(path)?.unwrap_or_default();
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                on("changing", path, replace(path, &format!("{text}{end}{BEGIN}\n{line}\n")))
            }
            Self::RemoveLine { path, line } => {
                let text = read(path)?.unwrap_or_default();
                let lines = text.split_inclusive('\n').filter(|had| !is_begin(had) && !is_same(had, line));
                let left: String = lines.collect();
                on("changing", path, if left.is_empty() { fs::remove_file(path) } else { replace(path, &left) })
            }
            Self::Remove { path } | Self::RemoveIfBegins { path, .. } => on("removing", path, fs::remove_file(path)),
            Self::RemoveTree { path } => on("removing", path, store::remove_leftover(path).map_err(io::Error::other)),
            Self::RemoveDir { path } => on(
                "removing",
                path,
                match fs::remove_dir(path) {
                    Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => Ok(()), // the user keeps a file there
                    other => other,
                },
            ),
            Self::AddGroup { name, .. } => run("groupadd", &["--system", "--force", name]),
            Self::RemoveGroup { name, .. } => run("groupdel", &[name]),
            Self::Systemctl { words, .. } => run("systemctl", words),
        }
    }
}

/// The text of a file; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, InstallError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(InstallError::Step { what: "reading", path: path.to_owned(), source }),
    }
}

fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|had| is_same(had, line))
}

/// Whether it is [`BEGIN`], as this program or cacheprogd of an earlier version wrote it.
fn is_begin(line: &str) -> bool {
    line.starts_with("# Added by `cacheprog") && line.trim_end().ends_with(" uninstall`:")
}

/// Whether two lines of nix.conf set the same value, however they are written.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let setting = |line: &str| {
        let (name, value) = line.split('#').next()?.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    one.trim() == other.trim() || setting(one).is_some_and(|one| Some(one) == setting(other))
}

/// Replaces a file as a whole: half a nix.conf would end every build.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&real).map_or(0o644, |metadata| metadata.permissions().mode());
    if let Some(dir) = real.parent() {
        fs::create_dir_all(dir)?;
    }
    let temporary = beside(&real);
    let mut file = fs::File::create(&temporary)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    rename(&temporary, &real)
}

fn link(path: &Path, to: &Path) -> io::Result<()> {
    let temporary = beside(path);
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {} // left by a run that was stopped here
    }
    std::os::unix::fs::symlink(to, &temporary)?;
    rename(&temporary, path)
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

#[expect(clippy::disallowed_methods, reason = "a settings file is replaced as a whole, like every other file")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

fn has_group(name: &str) -> bool {
    settings::Accounts::read().has_group(name)
}

fn run(program: &str, words: &[impl AsRef<str>]) -> Result<(), InstallError> {
    let words = || words.iter().map(AsRef::as_ref);
    let command = iter::once(program).chain(words()).collect::<Vec<_>>().join(" ");
    let status = Command::new(program).args(words()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(InstallError::Command { command, status: status.to_string() }),
        Err(e) => Err(InstallError::Command { command, status: e.to_string() }),
    }
}
