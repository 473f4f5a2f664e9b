//! The steps of an installation: each looks first, and does nothing where all is as it should be.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::install::InstallError;

/// Around a line of ours in a file of Nix's.
const BEGIN: &str = "# Added by `cacheprogd install`, removed by `cacheprogd uninstall`:";

/// One step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A file with this text.
    Write { path: PathBuf, text: String },
    /// A file with this text where there is none.
    Leave { path: PathBuf, text: String },
    /// A symbolic link.
    Link { path: PathBuf, to: PathBuf },
    /// A line in a file that is not ours.
    AddLine { path: PathBuf, line: String },
    /// No such line.
    RemoveLine { path: PathBuf, line: String },
    /// No such file.
    Remove { path: PathBuf },
    /// No such directory, nor what is in it.
    RemoveTree { path: PathBuf },
    /// No such directory, if it is empty.
    RemoveDir { path: PathBuf },
    /// A word to systemd, if it is there.
    Systemctl { words: Vec<String>, is_there: bool },
}

/// Carries the steps out, or only says them. Returns a line for each that does something.
pub(crate) fn carry_out(steps: &[Step], only_say: bool) -> Result<String, InstallError> {
    let mut said = String::new();
    for step in steps {
        if let Some(line) = step.needed()? {
            if !only_say {
                step.take()?;
            }
            said += &format!("{line}\n");
        }
    }
    Ok(said)
}

impl Step {
    /// What is to be done, if anything is.
    fn needed(&self) -> Result<Option<String>, InstallError> {
        let (said, needed) = match self {
            Self::Write { path, text } => (format!("write {}", path.display()), read(path)?.as_ref() != Some(text)),
            Self::Leave { path, .. } => (format!("write {}", path.display()), read(path)?.is_none()),
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
            Self::RemoveTree { path } | Self::RemoveDir { path } => {
                (format!("remove {}", path.display()), path.is_dir())
            }
            Self::Systemctl { words, is_there } => (format!("systemctl {}", words.join(" ")), *is_there),
        };
        Ok(needed.then_some(said))
    }

    fn take(&self) -> Result<(), InstallError> {
        let on = |what, path: &Path, outcome: io::Result<()>| {
            outcome.map_err(|source| InstallError::Step { what, path: path.to_owned(), source })
        };
        match self {
            Self::Write { path, text } | Self::Leave { path, text } => on("writing", path, replace(path, text)),
            Self::Link { path, to } => on("linking", path, link(path, to)),
            Self::AddLine { path, line } => {
                let text = read(path)?.unwrap_or_default();
                let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                on("changing", path, replace(path, &format!("{text}{end}{BEGIN}\n{line}\n")))
            }
            Self::RemoveLine { path, line } => {
                let text = read(path)?.unwrap_or_default();
                let lines = text.split_inclusive('\n').filter(|had| had.trim() != BEGIN && !is_same(had, line));
                let left: String = lines.collect();
                on("changing", path, if left.is_empty() { fs::remove_file(path) } else { replace(path, &left) })
            }
            Self::Remove { path } => on("removing", path, fs::remove_file(path)),
            Self::RemoveTree { path } => on("removing", path, store::remove_leftover(path).map_err(io::Error::other)),
            Self::RemoveDir { path } => on(
                "removing",
                path,
                match fs::remove_dir(path) {
                    Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty => Ok(()), // somebody keeps something there
                    other => other,
                },
            ),
            Self::Systemctl { words, .. } => systemctl(words),
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

/// Whether two lines of a nix.conf set the same, however they are written.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let setting = |line: &str| {
        let (name, value) = line.split('#').next()?.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    one.trim() == other.trim() || setting(one).is_some_and(|one| Some(one) == setting(other))
}

/// Puts a whole file in the place of the last: half a nix.conf would end every build.
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
        _ => {} // left by one that was stopped here
    }
    std::os::unix::fs::symlink(to, &temporary)?;
    rename(&temporary, path)
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

#[expect(clippy::disallowed_methods, reason = "a file of settings is replaced whole, like everything else")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

fn systemctl(words: &[String]) -> Result<(), InstallError> {
    let command = format!("systemctl {}", words.join(" "));
    let status = Command::new("systemctl").args(words).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(InstallError::Command { command, status: status.to_string() }),
        Err(e) => Err(InstallError::Command { command, status: e.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::{Own, Place, plan_install, plan_uninstall};

    fn place(dir: &Path, runtime: Option<&str>) -> Place {
        Place {
            programs: "/opt/programs".into(),
            units: dir.join("units"),
            settings: dir.join("settings"),
            nix_conf: dir.join("nix.conf"),
            own: runtime.map(|runtime| Own { runtime: runtime.into(), cache: dir.join("cache") }),
            has_systemd: false,
        }
    }

    /// All files below a directory, with their texts; of links where they lead.
    fn files(dir: &Path) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = entry.file_name().into_string().unwrap();
            if path.is_dir() {
                found.extend(files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
            } else {
                let to = fs::read_link(&path).map(|to| to.display().to_string());
                found.push((name, to.unwrap_or_else(|_| fs::read_to_string(&path).unwrap())));
            }
        }
        found.sort();
        found
    }

    #[test]
    fn what_is_installed_is_taken_away_again_and_both_can_be_said_twice() {
        for (runtime, before) in [(None, "cores = 2"), (None, ""), (Some("/run/user/7"), "a = b\n")] {
            let dir = tempfile::tempdir().unwrap();
            let place = place(dir.path(), runtime);
            if !before.is_empty() {
                fs::write(&place.nix_conf, before).unwrap();
                fs::set_permissions(&place.nix_conf, Permissions::from_mode(0o640)).unwrap();
            }
            let said = carry_out(&plan_install(&place).unwrap(), true).unwrap();
            assert!(said.contains("add `pre-build-hook = ") && !place.units.exists(), "{said}");
            assert_eq!(carry_out(&plan_install(&place).unwrap(), false).unwrap(), said);
            let all = files(dir.path());
            assert_eq!(carry_out(&plan_install(&place).unwrap(), false).unwrap(), "");
            assert_eq!(files(dir.path()), all);
            let text = |name: &str| &all.iter().find(|(known, _)| known == name).unwrap().1;
            assert!(text("units/nix-gocacheprog.service").contains("ExecStart=/opt/programs/cacheprogd serve "));
            assert_eq!(text("settings/hook"), "/opt/programs/prebuild-hook");
            assert_eq!(text("settings/go-env"), proto::control::GO_ENV);
            assert_eq!(text("settings/hook.toml").contains("/run/user/7"), runtime.is_some());
            assert!(text("nix.conf").starts_with(before), "{}", text("nix.conf"));
            fs::create_dir_all(dir.path().join("cache/objects")).unwrap(); // what a daemon keeps
            assert!(!carry_out(&plan_uninstall(&place), false).unwrap().is_empty());
            assert_eq!(dir.path().join("cache").exists(), runtime.is_none(), "or else by systemd");
            assert_eq!(carry_out(&plan_uninstall(&place), false).unwrap(), "");
            let left = files(dir.path());
            assert_eq!(left.len(), usize::from(!before.is_empty()), "{left:?}");
            if let [(name, text)] = &left[..] {
                assert_eq!((name.as_str(), text.trim_end()), ("nix.conf", before.trim_end()));
                assert_eq!(fs::metadata(&place.nix_conf).unwrap().permissions().mode() & 0o777, 0o640);
            }
        }
    }

    #[test]
    fn settings_of_the_users_stay_and_another_hook_is_no_ones_to_remove() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), None);
        fs::create_dir(&place.settings).unwrap();
        fs::write(place.settings.join("hook.toml"), "mode = 'transparent'").unwrap();
        carry_out(&plan_install(&place).unwrap(), false).unwrap();
        assert_eq!(fs::read_to_string(place.settings.join("hook.toml")).unwrap(), "mode = 'transparent'");
        fs::write(&place.nix_conf, "# x\n pre-build-hook=/opt/other\n").unwrap();
        let said = plan_install(&place).unwrap_err().to_string();
        assert!(said.contains("`pre-build-hook=/opt/other`") && said.contains("chain = [\"/opt/other\"]"), "{said}");
        fs::write(&place.nix_conf, "#pre-build-hook = /x\npre-build-hook =\n").unwrap();
        assert!(plan_install(&place).is_ok());
    }
}
