//! Where the objects lie: `s3://bucket/prefix`, `https://host[:port]/prefix`, or `http://…`. Pure.
//!
//! An error names the wrong part and the fix. It repeats nothing of a URL that may hold a password.

use std::net::IpAddr;
use std::str::FromStr;

/// The URL of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Url {
    /// A bucket of an S3 engine; the engine's address is a setting.
    S3 {
        /// The bucket.
        bucket: String,
        /// Path of all objects in it, without slashes at its ends; may be empty.
        prefix: String,
    },
    /// A server that stores files by GET, PUT and DELETE.
    Http {
        /// The server.
        origin: Origin,
        /// As in S3.
        prefix: String,
    },
}

/// A server: scheme, host, port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whether TLS is used.
    pub is_tls: bool,
    /// Name in lower case, or address; of IPv6 in brackets.
    pub host: String,
    /// The port, if it is not the scheme's.
    pub port: Option<u16>,
}

/// Where an S3 engine finds the bucket's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/object`
    Path,
    /// `https://bucket.host/object`
    VirtualHost,
}

/// Whether requests may be sent without TLS to another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Only to this machine.
    #[default]
    Loopback,
    /// To any: the user says that the network is trusted.
    Anywhere,
}

/// Why a text is no URL of a remote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The scheme is missing or another one.
    #[error("the remote's URL has the wrong scheme: write s3://BUCKET/PREFIX or https://HOST/PREFIX")]
    Scheme,
    /// It has `user:password@`.
    #[error(
        "the remote's URL has a user name or password: URLs are logged, so put them into the credentials file or the variables \
         NIX_GOCACHEPROG_REMOTE_USERNAME and NIX_GOCACHEPROG_REMOTE_PASSWORD"
    )]
    UserInfo,
    /// It has `?` or `#`.
    #[error("the remote's URL has a `?` or `#`: region, endpoint and profile are settings beside the URL")]
    Query,
    /// The name of the bucket breaks S3's rules.
    #[error(
        "the bucket `{0}` in the remote's URL is no name of a bucket: 3 to 63 characters of a-z, 0-9, `-` and `.`, with a letter or \
         digit at both ends"
    )]
    Bucket(String),
    /// The host is empty, or has other characters.
    #[error("the host `{0}` in the remote's URL is neither a host name nor an address")]
    Host(String),
    /// The port is no number.
    #[error("the port `{0}` in the remote's URL is no number from 1 to 65535")]
    Port(String),
    /// The prefix has an empty part, a dot part, or other characters.
    #[error(
        "the prefix `{0}` in the remote's URL cannot be used: its parts have A-Z, a-z, 0-9, `-`, `_`, `.` and `~`, none is empty, \
         `.` or `..`, and all have at most 200 characters"
    )]
    Prefix(String),
    /// No TLS to another machine.
    #[error(
        "the remote's URL sends credentials and objects to {0} without TLS: write https:// (plain HTTP is for \
         servers on this machine alone)"
    )]
    PlainHttp(String),
    /// The region has other characters.
    #[error("the region `{0}` is none: it has letters, digits and `-`, such as eu-west-1")]
    Region(String),
    /// It is no [`Addressing`].
    #[error("`{0}` is no addressing: write path or host")]
    Addressing(String),
    /// The endpoint has a path.
    #[error("the S3 endpoint has a path: write https://HOST alone; bucket and prefix belong in the URL")]
    EndpointPath,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// A [`UrlError`] with the wrong part.
    pub fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, UrlError> {
        let (scheme, rest) = split_scheme(text)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if scheme == "s3" {
            let prefix = prefix(path)?;
            let bucket = is_bucket(authority).then(|| authority.to_owned());
            return Ok(Self::S3 { bucket: bucket.ok_or_else(|| UrlError::Bucket(shown(authority)))?, prefix });
        }
        Ok(Self::Http { origin: origin(&scheme, authority, plain_http)?, prefix: prefix(path)? })
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let slash = |prefix: &str| if prefix.is_empty() { "" } else { "/" };
        match self {
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}{}{prefix}", slash(prefix)),
            Self::Http { origin, prefix } => write!(f, "{origin}{}{prefix}", slash(prefix)),
        }
    }
}

impl Origin {
    /// Reads an endpoint: `https://host[:port]`.
    ///
    /// # Errors
    /// A [`UrlError`] with the wrong part.
    pub fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, UrlError> {
        let (scheme, rest) = split_scheme(text)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        match scheme.as_str() {
            "s3" => Err(UrlError::Scheme),
            _ if authority.contains('/') => Err(UrlError::EndpointPath),
            _ => origin(&scheme, authority, plain_http),
        }
    }

    /// Host and port as in the `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let address = self.host.trim_matches(['[', ']']).parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority())
    }
}

/// Reads the setting of a region.
///
/// # Errors
/// [`UrlError::Region`] where the text is none.
pub fn parse_region(text: &str) -> Result<String, UrlError> {
    is_region(text).then(|| text.to_owned()).ok_or_else(|| UrlError::Region(shown(text)))
}

impl FromStr for Addressing {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text {
            "path" => Ok(Self::Path),
            "host" => Ok(Self::VirtualHost),
            _ => Err(UrlError::Addressing(shown(text))),
        }
    }
}

/// Whether a text can be a region, in a signature and in a host's name.
#[must_use]
pub fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn split_scheme(text: &str) -> Result<(String, &str), UrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "s3" | "http" | "https") {
        return Err(UrlError::Scheme);
    }
    if rest.contains('@') {
        return Err(UrlError::UserInfo);
    }
    if rest.contains(['?', '#']) {
        return Err(UrlError::Query);
    }
    Ok((scheme, rest))
}

fn origin(scheme: &str, authority: &str, plain_http: PlainHttp) -> Result<Origin, UrlError> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(UrlError::Host(shown(host)));
    }
    let is_tls = scheme == "https";
    let number =
        |port: &str| port.parse().ok().filter(|number| *number != 0 && port.bytes().all(|b| b.is_ascii_digit()));
    let port = match port {
        Some(port) => Some(number(port).ok_or_else(|| UrlError::Port(shown(port)))?),
        None => None,
    };
    let port = port.filter(|port| *port != if is_tls { 443 } else { 80 });
    let origin = Origin { is_tls, host: host.to_ascii_lowercase(), port };
    if !is_tls && plain_http == PlainHttp::Loopback && !origin.is_loopback() {
        return Err(UrlError::PlainHttp(origin.host));
    }
    Ok(origin)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(is_allowed)
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

fn is_bucket(name: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    (3..=63).contains(&name.len())
        && bytes.iter().all(|byte| is_end(byte) || matches!(byte, b'-' | b'.'))
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
        && !name.contains("..")
}

fn prefix(path: &str) -> Result<String, UrlError> {
    let prefix = path.strip_suffix('/').unwrap_or(path);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_allowed);
    let is_prefix = prefix.len() <= 200 && (prefix.is_empty() || prefix.split('/').all(is_part));
    is_prefix.then(|| prefix.to_owned()).ok_or_else(|| UrlError::Prefix(shown(prefix)))
}

/// A part of a URL for a message: without control characters, and not long.
fn shown(part: &str) -> String {
    part.chars().filter(|letter| !letter.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Url, UrlError> {
        Url::parse(text, PlainHttp::Loopback)
    }

    #[test]
    fn urls_are_read_and_written_the_same() {
        for (text, written) in [
            ("s3://my-cache/go/v1/", "s3://my-cache/go/v1"),
            ("s3://my.cache", "s3://my.cache"),
            ("https://Cache.Example.com:443/go", "https://cache.example.com/go"),
            ("HTTPS://[::1]:8443/", "https://[::1]:8443"),
            ("http://127.0.0.1:80/a_b~c", "http://127.0.0.1/a_b~c"),
            ("http://localhost:81", "http://localhost:81"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.to_string(), written);
            assert_eq!(parse(written), Ok(url));
        }
    }

    #[test]
    fn errors_name_the_wrong_part_and_the_fix() {
        for (text, expected) in [
            ("my-cache/go", UrlError::Scheme),
            ("ftp://host/", UrlError::Scheme),
            ("https://user:swordfish@host/", UrlError::UserInfo),
            ("s3://bucket?region=x", UrlError::Query),
            ("s3://Bucket/x", UrlError::Bucket("Bucket".into())),
            ("s3://b", UrlError::Bucket("b".into())),
            ("https:///x", UrlError::Host(String::new())),
            ("https://a b/x", UrlError::Host("a b".into())),
            ("https://host:0/", UrlError::Port("0".into())),
            ("https://host:+1/", UrlError::Port("+1".into())),
            ("https://host/a//b", UrlError::Prefix("a//b".into())),
            ("s3://bucket/../x", UrlError::Prefix("../x".into())),
            ("https://host/a%20b", UrlError::Prefix("a%20b".into())),
            ("http://cache.example.com/", UrlError::PlainHttp("cache.example.com".into())),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!format!("{error} {error:?}").contains("swordfish"));
        }
        assert!(Url::parse("http://cache.example.com/", PlainHttp::Anywhere).is_ok());
        assert_eq!(Origin::parse("https://s3.example.com/bucket", PlainHttp::Loopback), Err(UrlError::EndpointPath));
        assert_eq!(Origin::parse("s3://x", PlainHttp::Loopback), Err(UrlError::Scheme));
        assert_eq!(parse_region("eu-west-1").as_deref(), Ok("eu-west-1"));
        assert_eq!(parse_region("evil.test/"), Err(UrlError::Region("evil.test/".into())));
    }
}
