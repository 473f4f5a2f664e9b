//! The settings of the hook: from a file in its directory, because nix.conf takes no arguments, and from the environment, which
//! has priority.
//!
//! The file is named as Nix calls the hook, with `.toml` added: Nix runs `pre-build-hook` by its path, which is `argv[0]`
//! (docs/facts/nix.md, "How the hook is called"), so a directory with a link to the
//! program and this file is enough. Without a file the defaults apply.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proto::control::DEFAULT_SOCKET;
use serde::Deserialize;

use crate::chain::CHAINED;
use crate::pattern;

/// Which builds are offered the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Builds that opt in.
    #[default]
    OptIn,
    /// These, and each build with a Go toolchain among its direct inputs, which gets a `go/env`.
    Transparent,
}

/// What to do for a derivation that cannot be read, as on most remote builders: Nix sends no .drv to them
/// (docs/facts/nix.md, "Builds without a derivation").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Unreadable {
    /// Offer the cache: only a build with the setup hook uses it.
    #[default]
    Offer,
    /// Offer nothing.
    Skip,
    /// Treat it like a build with a Go toolchain.
    Transparent,
}

/// The content of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct File {
    mode: Mode,
    unreadable: Unreadable,
    go_env: Option<PathBuf>,
    allow: Option<Vec<String>>,
    deny: Vec<String>,
    chain: Vec<PathBuf>,
    control: Option<PathBuf>,
    client: Option<PathBuf>,
    modproxy: Option<PathBuf>,
}

/// The settings of the hook.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `control`, `NIX_GOCACHEPROG_CONTROL`: the daemon's control socket.
    pub(crate) control: PathBuf,
    /// `client`, `NIX_GOCACHEPROG_CLIENT`: the client to mount; by default the one beside this program.
    pub(crate) client: PathBuf,
    /// `modproxy`, `NIX_GOCACHEPROG_MODPROXY`: the module proxy to mount, if it is there; by default the one beside this program.
    pub(crate) modproxy: PathBuf,
    /// `unreadable`, `NIX_GOCACHEPROG_UNREADABLE`.
    pub(crate) unreadable: Unreadable,
    /// `mode`, `go-env`, `allow`, `deny`: `None` in mode `opt-in`.
    pub(crate) transparent: Option<Transparent>,
    /// `chain`: other hooks to run, in this order.
    pub(crate) chain: Vec<PathBuf>,
}

/// Mode `transparent`.
#[derive(Debug)]
pub(crate) struct Transparent {
    /// The `go/env` to mount.
    pub(crate) go_env: PathBuf,
    /// Patterns of derivation names that are offered the cache.
    allow: Vec<String>,
    /// Patterns of derivation names that are not.
    deny: Vec<String>,
}

impl Transparent {
    /// Whether a derivation with this name is offered the cache.
    pub(crate) fn admits(&self, name: &str) -> bool {
        let among = |patterns: &[String]| patterns.iter().any(|pattern| pattern::matches(pattern, name));
        among(&self.allow) && !among(&self.deny)
    }
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file exists and cannot be read.
    #[error("cannot read the settings {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The file is no TOML, or has unknown keys or wrong types.
    #[error("{}, line {line}: {what}{drawing}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The setting, and what is wrong with it.
        what: String,
        /// The line with a mark below the place, in lines of their own.
        drawing: String,
    },
    /// A value is wrong, or wrong together with another.
    #[error("{}: {what}", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl Settings {
    /// The settings for the hook that is called by this path.
    pub(crate) fn read(called: &OsStr) -> Result<Self, SettingsError> {
        let mut path = OsString::from(called);
        path.push(".toml");
        let path = PathBuf::from(path);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(e) if e.kind() == ErrorKind::NotFound => Self::of(&path, File::default()),
            Err(source) => Err(SettingsError::Read { path, source }),
        }
    }

    /// The settings in a file that has to exist.
    pub(crate) fn read_file(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, SettingsError> {
        let file = toml::from_str(text).map_err(|e| {
            let (line, what) = proto::error::in_settings(text, e.span().map(|span| span.start), e.message());
            let drawing = proto::error::drawing(&e.to_string());
            SettingsError::Parse { path: path.to_owned(), line, what, drawing }
        })?;
        Self::of(path, file)
    }

    fn of(path: &Path, file: File) -> Result<Self, SettingsError> {
        let refuse = |what: String| Err(SettingsError::Value { path: path.to_owned(), what });
        let paths =
            [&file.go_env, &file.control, &file.client, &file.modproxy].into_iter().flatten().chain(&file.chain);
        if let Some(relative) = paths.into_iter().find(|path| !path.is_absolute()) {
            return refuse(format!(
                "`{}` has to be an absolute path: Nix calls the hook in any directory",
                relative.display()
            ));
        }
        let transparent = match (file.mode, file.go_env) {
            (Mode::OptIn, None) if file.allow.is_some() || !file.deny.is_empty() => {
                return refuse("`allow` and `deny` need `mode = \"transparent\"`".to_owned());
            }
            (Mode::OptIn, _) if file.unreadable == Unreadable::Transparent => {
                return refuse("`unreadable = \"transparent\"` needs `mode = \"transparent\"`".to_owned());
            }
            (Mode::OptIn, _) => None,
            (Mode::Transparent, None) => {
                return refuse("`mode = \"transparent\"` needs `go-env`, the file to mount as go/env".to_owned());
            }
            (Mode::Transparent, Some(go_env)) => {
                Some(Transparent { go_env, allow: file.allow.unwrap_or_else(|| vec!["*".to_owned()]), deny: file.deny })
            }
        };
        let from = |name, setting, or: fn() -> PathBuf| env_var(name).map(PathBuf::from).or(setting).unwrap_or_else(or);
        Ok(Self {
            control: from("NIX_GOCACHEPROG_CONTROL", file.control, || DEFAULT_SOCKET.into()),
            client: from("NIX_GOCACHEPROG_CLIENT", file.client, || beside("cacheprog-client")),
            modproxy: from("NIX_GOCACHEPROG_MODPROXY", file.modproxy, || beside("modproxy")),
            unreadable: match env_var("NIX_GOCACHEPROG_UNREADABLE") {
                Some(value) if value == "skip" => Unreadable::Skip,
                Some(value) if value == "offer" => Unreadable::Offer,
                Some(_) | None => file.unreadable,
            },
            transparent,
            chain: file.chain,
        })
    }
}

/// Whether another prebuild-hook runs this one as a hook of its chain.
pub(crate) fn is_chained() -> bool {
    env_var(CHAINED).is_some()
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn env_var(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A program that was installed with this one.
fn beside(name: &str) -> PathBuf {
    let exe = std::env::current_exe().and_then(std::fs::canonicalize).unwrap_or_default();
    exe.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Settings, String> {
        Settings::parse(Path::new("/etc/hook.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn settings_are_read_and_have_defaults() {
        let none = parsed("").unwrap();
        assert!(none.transparent.is_none() && none.chain.is_empty() && none.unreadable == Unreadable::Offer);
        assert_eq!(none.control, Path::new(DEFAULT_SOCKET));
        let all = parsed(
            "mode = 'transparent'\nunreadable = 'transparent'\ngo-env = '/e'\nallow = ['a-*']\ndeny = ['a-b*']\n\
             chain = ['/c']\ncontrol = '/s'\nclient = '/p'",
        )
        .unwrap();
        assert_eq!((all.control.as_path(), all.client.as_path()), (Path::new("/s"), Path::new("/p")));
        assert_eq!((all.chain, all.unreadable), (vec![PathBuf::from("/c")], Unreadable::Transparent));
        let transparent = all.transparent.unwrap();
        assert!(transparent.admits("a-c") && !transparent.admits("a-b1") && !transparent.admits("c"));
        let every = parsed("mode = 'transparent'\ngo-env = '/e'").unwrap();
        assert!(every.transparent.unwrap().admits("any-1.0"));
    }

    #[test]
    fn wrong_settings_are_refused_with_a_helpful_message() {
        for (text, sentence) in [
            ("mode = 'transparent'", "needs `go-env`"),
            ("mode = 'all'", "/etc/hook.toml, line 1: mode: unknown variant `all`, expected `opt-in` or `transparent`"),
            ("unreadable = 'transparent'", "needs `mode = \"transparent\"`"),
            ("deny = ['x']", "`allow` and `deny` need `mode"),
            ("chain = ['hook']", "`hook` has to be an absolute path"),
            ("modes = 'opt-in'", "unknown field `modes`"),
            ("mode =", "/etc/hook.toml, line 1: mode: "),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(sentence), "{text}: {error}");
        }
        let drawn = parsed("mode = 'all'").unwrap_err();
        assert!(drawn.ends_with("\n  |\n1 | mode = 'all'\n  |        ^^^^^"), "{drawn}");
    }
}
