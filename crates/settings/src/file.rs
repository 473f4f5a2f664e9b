//! The settings file, and the same settings as options of a command line. Options overrule the file.
//!
//! What a limit means on a disk is the store's (store: evict/limits.rs). Pure, except for `read`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use proto::control::DEFAULT_SETTINGS;
use serde::Deserialize;
use store::{Limits, Size};

use crate::error::SettingsError;
use crate::listen::{HttpAddress, SocketPath};
use crate::remote::Remote;
use crate::trust::Trust;
use crate::typed::Typed;

/// What can be set in the settings file and on the command line. The command line comes first.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Bytes on the disk that the cache may take. [default: 10%, at most 50GiB]
    ///
    /// 50GiB, 800MB, 10% (of the disk), "10%, at most 50GiB", or none for no limit. The least recently used goes first.
    #[arg(long, value_name = "SIZE")]
    max_size: Option<OrNone<Size>>,
    /// Remove what was not used for this long: 60d, 12h, or none. [default: 60d]
    #[arg(long, value_name = "TIME")]
    max_age: Option<OrNone<Age>>,
    /// Free space to leave on the disk, written as a size above. [default: 5%, at most 10GiB]
    #[arg(long, value_name = "SIZE")]
    min_free: Option<Size>,
    /// Share no test result between builds.
    #[arg(long)]
    pub private_tests: bool,
    /// Where every user may ask for the status; `serve` has an option for it.
    #[arg(skip)]
    pub status_socket: Option<OrNone<SocketPath>>,
    /// Where metrics and the page are; `serve` has an option for it.
    #[arg(skip)]
    pub http: Option<HttpAddress>,
    /// Whose builds write what every build reads.
    #[arg(skip)]
    trust: Option<Trust>,
    /// Layers (`cacheprogctl export`) from which the store takes what it has not, in this order.
    #[arg(skip)]
    pub layers: Vec<LayerDir>,
    /// A store that machines share.
    #[arg(skip)]
    pub remote: Option<Box<Remote>>,
}

impl Settings {
    /// These settings; `others` where these say nothing.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            max_size: self.max_size.or(others.max_size),
            max_age: self.max_age.or(others.max_age),
            min_free: self.min_free.or(others.min_free),
            private_tests: self.private_tests || others.private_tests,
            status_socket: self.status_socket.or(others.status_socket),
            http: self.http.or(others.http),
            trust: self.trust.or(others.trust),
            layers: if self.layers.is_empty() { others.layers } else { self.layers },
            remote: self.remote.or(others.remote),
        }
    }

    /// Whose builds write what every build reads, with the defaults.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust.clone().unwrap_or_default()
    }

    /// The limits that the store is kept within, with the defaults.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits_or(Limits::default())
    }

    fn limits_or(&self, defaults: Limits) -> Limits {
        Limits {
            max_size: self.max_size.as_ref().map_or(defaults.max_size, |size| size.0),
            max_age: self.max_age.as_ref().map_or(defaults.max_age, |age| age.0.map(|age| age.0)),
            min_free: self.min_free.unwrap_or(defaults.min_free),
        }
    }
}

/// Limits as command line options.
#[must_use]
pub fn limit_arguments(limits: &Limits) -> [String; 6] {
    let none = || "none".to_owned();
    [
        "--max-size".to_owned(),
        limits.max_size.map_or_else(none, |size| size.to_string()),
        "--max-age".to_owned(),
        limits.max_age.map_or_else(none, |age| humantime::format_duration(age).to_string()),
        "--min-free".to_owned(),
        limits.min_free.to_string(),
    ]
}

/// The settings, from the command line and from a file.
#[derive(Debug, clap::Args)]
pub struct LimitOptions {
    #[command(flatten)]
    file: Typed<FileOption>,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, clap::Args)]
struct FileOption {
    /// Settings, as TOML. [default: /etc/nix-gocacheprog.toml, if it exists]
    ///
    /// docs/reference/settings.md has all of them. An option that has the name of a setting outranks the file.
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CONFIG")]
    config: Option<PathBuf>,
}

impl LimitOptions {
    /// The settings of the command line, with those of the file where the command line says nothing.
    ///
    /// # Errors
    /// A [`SettingsError`] where the file cannot be read or holds something else.
    pub fn settings(&self) -> Result<Settings, SettingsError> {
        Ok(self.settings.clone().or(read(self.file.options.config.as_deref())?))
    }

    /// The limits of a store that the daemon's settings do not limit: those of the command line and of a file that it names, else
    /// these. The file that the variable names is the daemon's.
    ///
    /// # Errors
    /// As [`LimitOptions::settings`].
    pub fn limits_or(&self, defaults: Limits) -> Result<Limits, SettingsError> {
        let typed = self.file.options.config.as_deref().filter(|_| self.file.has("config"));
        let file = typed.map(|file| read(Some(file))).transpose()?;
        Ok(self.settings.clone().or(file.unwrap_or_default()).limits_or(defaults))
    }

    /// The settings of the command line alone.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn of_options(self) -> Settings {
        self.settings
    }
}

/// The settings of a file, or of the default one if it exists.
///
/// # Errors
/// A [`SettingsError`] where the file cannot be read or holds something else.
pub fn read(file: Option<&Path>) -> Result<Settings, SettingsError> {
    let path = file.unwrap_or(Path::new(DEFAULT_SETTINGS)).to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&path, &text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && file.is_none() => Ok(Settings::default()),
        Err(source) => Err(SettingsError::Unreadable { path, source }),
    }
}

/// The settings in a file's text. An error is in one line: the line of the file, the setting, and what to write. It has a drawing
/// of the place besides.
pub(crate) fn parse(path: &Path, text: &str) -> Result<Settings, SettingsError> {
    toml::from_str(text).map_err(|e: toml::de::Error| {
        let misplaced = misplaced(e.message()).map(|key| {
            format!("`{key}` belongs above the first [section]: what stands below one is a setting of that section")
        });
        let message = misplaced.as_deref().unwrap_or(e.message());
        let (line, what) = proto::error::in_settings(text, e.span().map(|span| span.start), message);
        let drawing = proto::error::drawing(&e.to_string());
        SettingsError::Invalid { path: path.to_owned(), line, what, drawing }
    })
}

/// The key that the parser does not know where it stands, if it is one of the file's own: it stands in a table then. With a number the
/// parser tells the two apart, as it refuses a wrong value in other words than an unknown key.
fn misplaced(message: &str) -> Option<&str> {
    let unknown = |message: &str| message.starts_with("unknown field `");
    let key = message.strip_prefix("unknown field `")?.split_once('`')?.0;
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let alone = toml::from_str::<Settings>(&format!("{key} = 0"));
    (is_plain && alone.is_err_and(|e| !unknown(e.message()))).then_some(key)
}

/// The absolute path of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PathBuf")]
pub struct LayerDir(PathBuf);

/// A path that is not absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write the absolute path of a layer")]
pub struct LayerDirError;

impl LayerDir {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl TryFrom<PathBuf> for LayerDir {
    type Error = LayerDirError;

    fn try_from(path: PathBuf) -> Result<Self, LayerDirError> {
        if path.is_absolute() { Ok(Self(path)) } else { Err(LayerDirError) }
    }
}

/// How long an entry may stay unused.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Age(Duration);

/// A text that is no such time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a time such as 60d or 12h, of at least an hour")]
pub struct AgeError;

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        match humantime::parse_duration(text) {
            Ok(age) if age >= Duration::from_secs(3600) => Ok(Self(age)),
            _ => Err(AgeError),
        }
    }
}

/// A limit, or the word `none`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String", bound = "T: FromStr<Err: std::fmt::Display>")]
pub struct OrNone<T>(pub Option<T>);

impl<T: FromStr> FromStr for OrNone<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text == "none" { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

impl<T: FromStr> TryFrom<String> for OrNone<T> {
    type Error = T::Err;

    fn try_from(text: String) -> Result<Self, T::Err> {
        text.parse()
    }
}

impl TryFrom<String> for Age {
    type Error = AgeError;

    fn try_from(text: String) -> Result<Self, AgeError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Disk;

    const DISK: Disk = Disk { size: 100 << 30, free: 20 << 30, inodes: 0, free_inodes: 0 };

    fn file(text: &str) -> Result<Settings, String> {
        parse(Path::new("f"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn a_wrong_value_is_refused_with_its_name_and_what_to_write() {
        for (text, name, fix) in [
            ("max-size = \"much\"", "max-size", "write a size such as"),
            ("max-size = \"1KiB\"", "max-size", "at least 64MiB"),
            ("max-age = \"60 potatoes\"", "max-age", "write a time such as 60d"),
            ("max-age = \"5s\"", "max-age", "at least an hour"),
            ("min-free = \"none\"", "min-free", "write a size such as"),
            ("max-sise = \"1GiB\"", "max-sise", "unknown field"),
            ("http = \"nonsense\"", "http", "write ADDRESS:PORT, such as 127.0.0.1:9417, or an absolute path"),
            ("trust.writers = [\"a b\"]", "trust.writers", "write the name or the number of a user"),
            ("trust.witnesses = 3", "trust.witnesses", "write 1, or 2"),
            ("trust.writer = []", "trust.writer", "unknown field"),
            ("layers = [\"/a\", \"b\"]", "layers", "write the absolute path of a layer"),
            ("layers = \"/a\"", "layers", "invalid type"),
            ("status-socket = \"relative/x\"", "status-socket", "write an absolute path, or none"),
        ] {
            let error = file(text).unwrap_err();
            assert!(error.contains(name) && error.contains(fix), "{error}");
        }
    }

    #[test]
    fn an_error_is_one_line_with_the_line_of_the_file_and_has_a_drawing() {
        for (text, error) in [
            (
                "max-size = \"1GiB\"\n\nmax-age = \"x\"\n",
                "f, line 3: max-age: write a time such as 60d or 12h, of at least an hour",
            ),
            ("max-size = \"\u{e9}", "f, line 1: max-size: "),
            ("what is this\n", "f, line 1: "),
            ("private-tests = 1", "f, line 1: private-tests: invalid type"),
            ("x = 1", "f, line 1: unknown field `x`"),
        ] {
            let found = parse(Path::new("f"), text).unwrap_err();
            let sentence = found.to_string();
            assert!(sentence.starts_with(error) && !sentence.contains('\n'), "{sentence}");
            assert_eq!(found.drawing().count(), 3, "{found:?}");
        }
        let found = parse(Path::new("f"), "max-size = \"1GiB\"\n\nmax-age = \"x\"\n").unwrap_err();
        assert_eq!(found.drawing().collect::<Vec<_>>(), ["  |", "3 | max-age = \"x\"", "  |           ^^^"]);
    }

    #[test]
    fn a_setting_of_the_file_in_a_table_is_told_its_place() {
        let keys =
            ["max-size", "max-age", "min-free", "private-tests", "status-socket", "http", "layers", "remote", "trust"];
        for key in keys {
            for text in [format!("[trust]\nwriters = []\n{key} = \"x\""), format!("\n\ntrust = {{ {key} = 1 }}")] {
                let error = file(&text).unwrap_err();
                let is_told = error.contains(&format!("`{key}` belongs above the first [section]"));
                assert!(is_told && error.starts_with("f, line 3: "), "{error}");
            }
        }
        for text in ["[trust]\nmax-sise = 1", "writers = []", "[trust]\n'a\"b' = 1"] {
            assert!(file(text).unwrap_err().contains("unknown field"), "{text}");
        }
    }

    #[test]
    fn the_command_line_comes_first() {
        let typed = Settings { max_size: Some("1GiB".parse().unwrap()), ..Settings::default() };
        let both = typed.or(file("max-size = \"2GiB\"\nmin-free = \"3GiB\"\nprivate-tests = true").unwrap());
        assert_eq!((both.limits().max_size(DISK), both.limits().min_free(DISK)), (Some(1 << 30), 3 << 30));
        assert!(both.private_tests);
    }
}
