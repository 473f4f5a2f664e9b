//! `[remote]`: a store that machines share. The daemon takes from it what these keys signed, and puts there what its builds used;
//! cacheprog-remote, which has the network and the credentials, reads the address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use remote::keys::PublicKey;
use remote::url::{Addressing, Origin, PlainHttp, Url, UrlError, parse_region};
use serde::Deserialize;
use store::Size;

/// The socket of cacheprog-remote, where its unit makes it.
const SOCKET: &str = "/run/nix-gocacheprog-remote.sock";

/// After how long a rule of the remote store removes what was put.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// The table `[remote]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Remote {
    /// `s3://BUCKET/PREFIX` or `https://HOST/PREFIX`.
    pub url: RemoteUrl,
    /// The address of an S3 engine other than AWS.
    pub endpoint: Option<RemoteEndpoint>,
    /// The region of an S3 engine.
    region: Option<RemoteRegion>,
    /// How an S3 engine is told the bucket: `path` or `host`.
    addressing: Option<RemoteAddressing>,
    /// The profile in the file of credentials.
    #[serde(default)]
    pub profile: String,
    /// Whose entries are used.
    #[serde(default)]
    trusted_public_keys: Vec<TrustedKey>,
    /// Which builds' outputs are put.
    #[serde(default)]
    pub write: RemoteWrite,
    /// The file of the secret key, which signs what is put; systemd's credential `remote-secret-key` where nothing is said.
    pub secret_key_file: Option<PathBuf>,
    /// After how long a rule of the remote store removes what was put.
    #[serde(default)]
    kept_for: KeptFor,
    /// Bytes that are fetched and put in one day (of UTC).
    daily_bytes: Option<DailyBytes>,
    /// Where cacheprog-remote listens.
    #[serde(default = "default_socket")]
    pub socket: PathBuf,
}

impl Remote {
    /// The region of an S3 engine, if it is set.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.region.as_ref().map(|region| region.0.as_str())
    }

    /// How an S3 engine is told the bucket, if it is set.
    #[must_use]
    pub fn addressing(&self) -> Option<Addressing> {
        self.addressing.map(|addressing| addressing.0)
    }

    /// Whose entries are used.
    #[must_use]
    pub fn trusted_public_keys(&self) -> Vec<PublicKey> {
        self.trusted_public_keys.iter().map(|key| key.0.clone()).collect()
    }

    /// After how long a rule of the remote store removes what was put.
    #[must_use]
    pub fn kept_for(&self) -> Duration {
        self.kept_for.0
    }

    /// Bytes that are fetched and put in one day (of UTC); `None`: any number.
    #[must_use]
    pub fn daily_bytes(&self) -> Option<u64> {
        self.daily_bytes.map(|bytes| bytes.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct DailyBytes(u64);

fn default_socket() -> PathBuf {
    Path::new(SOCKET).to_owned()
}

/// A URL that cacheprog-remote takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RemoteUrl(String);

/// The address of an S3 engine that cacheprog-remote takes, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RemoteEndpoint(String);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct RemoteRegion(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct RemoteAddressing(Addressing);

impl RemoteEndpoint {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RemoteUrl {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which builds' outputs are put.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WriteText")]
pub enum RemoteWrite {
    /// None.
    #[default]
    Never,
    /// Those of builds with these names, without their versions.
    Names(Vec<String>),
    /// Those of all builds that write what every build reads.
    All,
}

impl RemoteWrite {
    /// Whether what a build of this name, without its version, used is put.
    #[must_use]
    pub fn admits(&self, name: &str) -> bool {
        match self {
            Self::Never => false,
            Self::Names(names) => names.iter().any(|one| one == name),
            Self::All => true,
        }
    }
}

/// As it is written: a word, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum WriteText {
    Word(String),
    Names(Vec<String>),
}

/// A public key, as Nix writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct TrustedKey(PublicKey);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct KeptFor(Duration);

impl Default for KeptFor {
    fn default() -> Self {
        Self(KEPT_FOR)
    }
}

/// A value of `[remote]` that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// Of `url`, `endpoint`, `region` or `addressing`.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Of `write`.
    #[error("write \"never\", \"all\", or a list of names of builds without their versions")]
    Write,
    /// Of `kept-for`.
    #[error("write a time such as 30d, of at least a day")]
    KeptFor,
    /// Of `daily-bytes`.
    #[error("write a size such as 50GiB, of at least 64MiB")]
    DailyBytes,
    /// Of `trusted-public-keys`.
    #[error(transparent)]
    Key(#[from] remote::keys::InvalidKey),
}

impl TryFrom<String> for RemoteUrl {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        Url::parse(&text, PlainHttp::Loopback)?;
        Ok(Self(text))
    }
}

impl TryFrom<String> for RemoteEndpoint {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        Origin::parse(&text, PlainHttp::Loopback)?;
        Ok(Self(text))
    }
}

impl TryFrom<String> for RemoteRegion {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        Ok(Self(parse_region(&text)?))
    }
}

impl TryFrom<String> for RemoteAddressing {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        Ok(Self(text.parse()?))
    }
}

impl TryFrom<WriteText> for RemoteWrite {
    type Error = RemoteError;

    fn try_from(text: WriteText) -> Result<Self, RemoteError> {
        match text {
            WriteText::Word(word) if word == "never" => Ok(Self::Never),
            WriteText::Word(word) if word == "all" => Ok(Self::All),
            WriteText::Word(_) => Err(RemoteError::Write),
            WriteText::Names(names) => Ok(Self::Names(names)),
        }
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        Ok(Self(text.parse()?))
    }
}

impl TryFrom<String> for DailyBytes {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        match text.parse() {
            Ok(Size::Bytes(bytes)) => Ok(Self(bytes)),
            _ => Err(RemoteError::DailyBytes),
        }
    }
}

impl TryFrom<String> for KeptFor {
    type Error = RemoteError;

    fn try_from(text: String) -> Result<Self, RemoteError> {
        match humantime::parse_duration(&text) {
            Ok(time) if time >= Duration::from_secs(24 * 3600) => Ok(Self(time)),
            _ => Err(RemoteError::KeptFor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::parse;

    const KEY: &str = "example-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn read(text: &str) -> Result<Remote, String> {
        let settings = parse(Path::new("/x.toml"), &format!("[remote]\n{text}"));
        settings.map(|settings| *settings.remote.unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_shortest_table_reads_and_writes_nothing() {
        let remote = read("url = 's3://bucket/go'").unwrap();
        assert_eq!((remote.url.as_str(), remote.trusted_public_keys().len()), ("s3://bucket/go", 0));
        assert!(!remote.write.admits("caddy"));
        assert_eq!((remote.socket.to_str(), remote.kept_for().as_secs()), (Some(SOCKET), 30 * 24 * 3600));
    }

    #[test]
    fn keys_and_names_are_read() {
        let remote = read(&format!("url = 'https://a/'\ntrusted-public-keys = ['{KEY}']\nwrite = ['caddy']")).unwrap();
        assert_eq!(remote.trusted_public_keys()[0].to_string(), KEY);
        assert_eq!(["caddy", "caddy-2"].map(|name| remote.write.admits(name)), [true, false]);
        assert_eq!(read("url = 's3://bucket'\ndaily-bytes = '1GiB'").unwrap().daily_bytes(), Some(1 << 30));
        assert!(read("url = 's3://bucket'\nwrite = 'all'").unwrap().write.admits("x"));
        let remote = read("url = 's3://bucket'\nregion = 'eu-west-1'\naddressing = 'host'").unwrap();
        assert_eq!((remote.region(), remote.addressing()), (Some("eu-west-1"), Some(Addressing::VirtualHost)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, expected) in [
            ("url = 'ftp://x'", "write s3://BUCKET/PREFIX or https://HOST/PREFIX"),
            ("url = 'http://cache.example/go'", "without TLS: write https://"),
            ("url = 's3://b'", "bucket"),
            ("url = 's3://bucket'\nendpoint = 'http://s3.example'", "without TLS: write https://"),
            ("url = 's3://bucket'\nregion = 'eu west'", "such as eu-west-1"),
            ("url = 's3://bucket'\naddressing = 'dns'", "write path or host"),
            ("write = 'all'", "url"),
            ("url = 's3://bucket'\nwrite = 'some'", "\"never\", \"all\", or a list"),
            ("url = 's3://bucket'\nkept-for = '1h'", "of at least a day"),
            ("url = 's3://bucket'\ndaily-bytes = '10%'", "write a size such as 50GiB"),
            ("url = 's3://bucket'\ntrusted-public-keys = ['x']", "a key is written NAME:BASE64"),
            ("url = 's3://bucket'\nkeys = []", "unknown field"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected) && error.contains("/x.toml"), "{error}");
        }
    }
}
