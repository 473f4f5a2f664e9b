//! Keys and passwords: from variables, from a file that the settings name, or from the directory of credentials that systemd makes.
//! The first of them that has any counts. Files are read again whenever credentials are loaded, so that new ones are found.

mod profile_file;

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use remote::url::Url;

use crate::limits::MAX_CREDENTIALS_FILE;
use crate::secret::Secret;

use profile_file::Profile;
pub use profile_file::ProfileError;
pub(crate) use profile_file::parse as parse_profile;

/// Bits of a file's mode that it must not have: any right of others, and writing by its group. Reading by the group is common
/// (root:service, 0640), and systemd's own files show it where they have an access control list.
const FORBIDDEN_MODE: u32 = 0o027;

/// The name of the file in systemd's directory (`LoadCredential=remote:PATH`).
const SYSTEMD_FILE: &str = "remote";

/// The beginning of the names of our variables.
const VARIABLES: &str = "NIX_GOCACHEPROG_REMOTE_";

/// Our variables, and the keys of a profile that they stand for.
const VARIABLE_KEYS: [(&str, &str); 6] = [
    ("ACCESS_KEY_ID", "aws_access_key_id"),
    ("SECRET_ACCESS_KEY", "aws_secret_access_key"),
    ("SESSION_TOKEN", "aws_session_token"),
    ("USERNAME", "username"),
    ("PASSWORD", "password"),
    ("TOKEN", "token"),
];

/// What a request is authorized with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing: a public bucket or server.
    Anonymous,
    /// Keys of an S3 engine.
    Keys {
        /// Id of the access key.
        access_key_id: Secret,
        /// The key that signs.
        secret_access_key: Secret,
        /// Token of keys that expire.
        session_token: Option<Secret>,
    },
    /// User and password of a server.
    Basic {
        /// The user.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// A bearer token.
    Bearer(Secret),
}

/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub struct CredentialsSource {
    /// Values of our variables, by the key of a profile that they stand for.
    variables: Profile,
    /// Path of a credentials file.
    pub file: Option<PathBuf>,
    /// Name of the profile in it; `default` if empty.
    pub profile: String,
    /// systemd's directory of credentials.
    pub systemd_directory: Option<PathBuf>,
}

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read the credentials {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Others can read or change it.
    #[error("the credentials {path} have mode {mode:o}, so other users can read or change them: chmod 640 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is too large.
    #[error("{} has more than {MAX_CREDENTIALS_FILE} bytes, so it is no file of credentials", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not text.
    #[error("{} is not UTF-8 text, so it is no file of credentials", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// It has another form.
    #[error("the credentials {}: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line.
        source: ProfileError,
    },
    /// It has no such section.
    #[error("{} has no profile [{profile}]: add it, or set the profile's name", path.display())]
    NoProfile {
        /// The file.
        path: PathBuf,
        /// The profile.
        profile: String,
    },
    /// One of a pair is missing, or all are.
    #[error("{place} has no {key}, which this kind of remote needs")]
    Incomplete {
        /// The file, or the variables.
        place: String,
        /// The key that is missing.
        key: &'static str,
    },
}

impl CredentialsSource {
    /// The source of this process: our variables, systemd's directory, and a file with a profile that settings may name.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is where the environment of credentials is read")]
    pub fn from_environment(file: Option<PathBuf>, profile: &str) -> Self {
        let value = |name: &str| std::env::var(format!("{VARIABLES}{name}")).ok();
        let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Self {
            file,
            profile: profile.to_owned(),
            systemd_directory: directory.filter(|directory| directory.is_absolute()),
            ..Self::from_variables(value)
        }
    }

    /// A source of variables alone. `value` gives the value of a variable by the end of its name, such as `ACCESS_KEY_ID`.
    pub fn from_variables(value: impl Fn(&str) -> Option<String>) -> Self {
        let found = |(name, key)| Some((key, Secret::new(value(name).filter(|value| !value.is_empty())?)));
        Self { variables: VARIABLE_KEYS.into_iter().filter_map(found).collect(), ..Self::default() }
    }

    /// Reads the credentials for a URL.
    ///
    /// # Errors
    /// A [`CredentialsError`] where a file or a set of variables is there and cannot be used.
    pub fn load(&self, url: &Url) -> Result<Credentials, CredentialsError> {
        let kind = |profile: &Profile, place: &str| match url {
            Url::S3 { .. } => keys(profile, place),
            Url::Http { .. } => login(profile, place),
        };
        let is_wanted = |key: &str| key.starts_with("aws_") == matches!(url, Url::S3 { .. });
        if self.variables.keys().any(|key| is_wanted(key)) {
            return kind(&self.variables, &format!("the set of variables {VARIABLES}…"));
        }
        let systemd = self.systemd_directory.as_ref().map(|directory| directory.join(SYSTEMD_FILE));
        let profile = if self.profile.is_empty() { "default" } else { &self.profile };
        let file = match (&self.file, systemd) {
            (Some(file), _) => Some((read(file)?, file.clone())),
            // The unit may have no such credential: a public remote needs none.
            (None, Some(file)) => match read(&file) {
                // So it is where the file is missing from which the unit takes it (nixos/units.nix).
                Ok(text) if text.trim().is_empty() => None,
                Ok(text) => Some((text, file)),
                Err(CredentialsError::Unreadable { source, .. }) if source.kind() == ErrorKind::NotFound => None,
                Err(e) => return Err(e),
            },
            (None, None) => None,
        };
        let Some((text, path)) = file else { return Ok(Credentials::Anonymous) };
        let found = parse_profile(&text, profile);
        let found = found.map_err(|source| CredentialsError::Invalid { path: path.clone(), source })?;
        let place = format!("profile [{profile}] of {}", path.display());
        match found {
            Some(found) => kind(&found, &place),
            None => Err(CredentialsError::NoProfile { path, profile: profile.to_owned() }),
        }
    }
}

fn keys(profile: &Profile, place: &str) -> Result<Credentials, CredentialsError> {
    let value = |key: &'static str| match profile.get(key) {
        Some(value) => Ok(value.clone()),
        None => Err(CredentialsError::Incomplete { place: place.to_owned(), key }),
    };
    Ok(Credentials::Keys {
        access_key_id: value("aws_access_key_id")?,
        secret_access_key: value("aws_secret_access_key")?,
        session_token: profile.get("aws_session_token").cloned(),
    })
}

fn login(profile: &Profile, place: &str) -> Result<Credentials, CredentialsError> {
    if let Some(token) = profile.get("token") {
        return Ok(Credentials::Bearer(token.clone()));
    }
    match (profile.get("username"), profile.get("password")) {
        (Some(username), Some(password)) => {
            Ok(Credentials::Basic { username: username.clone(), password: password.clone() })
        }
        (Some(_), None) => Err(CredentialsError::Incomplete { place: place.to_owned(), key: "password" }),
        (None, _) => Err(CredentialsError::Incomplete { place: place.to_owned(), key: "username" }),
    }
}

/// Reads a file of credentials. The rights are those of the file that was opened.
fn read(path: &Path) -> Result<String, CredentialsError> {
    let unreadable = |source| CredentialsError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(unreadable(io::Error::other("not a file")));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & FORBIDDEN_MODE != 0 {
        return Err(CredentialsError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_CREDENTIALS_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_CREDENTIALS_FILE {
        return Err(CredentialsError::TooLarge { path: path.to_owned() });
    }
    String::from_utf8(bytes).map_err(|_| CredentialsError::NotText { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use remote::url::PlainHttp;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn url(text: &str) -> Url {
        Url::parse(text, PlainHttp::Loopback).unwrap()
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn basic(username: &str, password: &str) -> Credentials {
        Credentials::Basic { username: Secret::new(username), password: Secret::new(password) }
    }

    #[test]
    fn variables_come_first_then_the_file_then_systemd() {
        let dir = tempfile::tempdir().unwrap();
        let [file, systemd] = ["file", "remote"].map(|name| dir.path().join(name));
        write(&file, "[default]\nusername = f\npassword = p\n[other]\ntoken = t\n", 0o640);
        write(&systemd, "[default]\nusername = s\npassword = p\n", 0o400);
        let http = url("https://host/");
        let mut source = CredentialsSource::from_variables(|name| (name == "TOKEN").then(|| "v".to_owned()));
        source.systemd_directory = Some(dir.path().to_owned());
        source.file = Some(file);
        assert_eq!(source.load(&http).unwrap(), Credentials::Bearer(Secret::new("v")));
        source.variables.clear();
        assert_eq!(source.load(&http).unwrap(), basic("f", "p"));
        source.profile = "other".into();
        assert_eq!(source.load(&http).unwrap(), Credentials::Bearer(Secret::new("t")));
        (source.file, source.profile) = (None, String::new());
        assert_eq!(source.load(&http).unwrap(), basic("s", "p"));
        write(&systemd, "\n", 0o600);
        assert_eq!(source.load(&http).unwrap(), Credentials::Anonymous);
        fs::remove_file(systemd).unwrap();
        assert_eq!(source.load(&http).unwrap(), Credentials::Anonymous);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_fix() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let source = CredentialsSource { file: Some(file.clone()), ..CredentialsSource::default() };
        for mode in [0o644, 0o604, 0o660, 0o601] {
            write(&file, "[default]\ntoken = swordfish\n", mode);
            let error = source.load(&url("https://host/")).unwrap_err().to_string();
            assert!(error.ends_with(&format!("chmod 640 {}", file.display())), "{error}");
        }
    }

    #[test]
    fn an_error_tells_what_is_missing_and_no_secret() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("credentials");
        let source = CredentialsSource { file: Some(file.clone()), ..CredentialsSource::default() };
        let cases = [
            ("s3://bucket/", "[default]\naws_secret_access_key = swordfish\n", "aws_access_key_id"),
            ("s3://bucket/", "[default]\naws_access_key_id = swordfish\n", "aws_secret_access_key"),
            ("s3://bucket/", "[default]\npassword = swordfish\n", "aws_access_key_id"),
            ("https://host/", "[default]\nusername = swordfish\n", "password"),
            ("https://host/", "[a]\ntoken = swordfish\n", "[default]"),
            ("https://host/", "swordfish", "line 1"),
        ];
        for (remote, text, expected) in cases {
            write(&file, text, 0o600);
            let error = source.load(&url(remote)).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(expected) && !shown.contains("swordfish"), "{shown}");
        }
        let source = CredentialsSource::from_variables(|_| Some("swordfish".into()));
        let loaded = ["s3://bucket", "https://host"].map(|remote| source.load(&url(remote)).unwrap());
        assert!(!format!("{source:?} {loaded:?}").contains("swordfish"));
    }
}
