//! Where the daemon listens, as the settings name it: the address of metrics and the page, and the path of a socket.
//!
//! Texts are parsed here and nowhere else, so that `cacheprogctl check` refuses what the daemon refuses. What is done with an address
//! is the daemon's (cacheprogd: http/, net/).

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;

/// Where metrics and the page are served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum HttpAddress {
    /// At `ADDRESS:PORT`.
    Port(String),
    /// At a socket with this path.
    Socket(SocketPath),
}

/// The absolute path of a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketPath(PathBuf);

/// A text that is not such a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Neither an address nor a path.
    #[error("write ADDRESS:PORT, such as 127.0.0.1:9417, or an absolute path")]
    Http,
    /// Not an absolute path.
    #[error("write an absolute path, or none")]
    Socket,
}

impl SocketPath {
    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for SocketPath {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        // A path with a final slash is a directory.
        let is_file = text.starts_with('/') && !text.ends_with('/');
        if is_file { Ok(Self(text.into())) } else { Err(ListenError::Socket) }
    }
}

impl FromStr for HttpAddress {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Ok(socket) = text.parse() {
            return Ok(Self::Socket(socket));
        }
        let (host, port) = text.rsplit_once(':').ok_or(ListenError::Http)?;
        let ipv6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match ipv6 {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            // What has digits and dots alone is no name.
            None if host.chars().all(|c| c.is_ascii_digit() || c == '.') => host.parse::<std::net::Ipv4Addr>().is_ok(),
            None => host.split('.').all(is_label),
        };
        let is_port = port.bytes().all(|c| c.is_ascii_digit()) && port.parse::<u16>().is_ok();
        if is_host && is_port { Ok(Self::Port(text.to_owned())) } else { Err(ListenError::Http) }
    }
}

/// Whether it is a part of a host's name (RFC 1123, 2.1).
fn is_label(text: &str) -> bool {
    let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..64).contains(&text.len()) && text.chars().all(is_inside) && !text.starts_with('-') && !text.ends_with('-')
}

impl HttpAddress {
    /// The address to listen at, where it is a port. `localhost` is this machine, whatever a resolver would say: a static program has not
    /// the one of the system, and the unit of the daemon has no network to ask in.
    #[must_use]
    pub fn to_listen_at(&self) -> Option<String> {
        match self {
            Self::Socket(_) => None,
            Self::Port(address) => match address.strip_prefix("localhost:") {
                Some(port) => Some(format!("127.0.0.1:{port}")),
                None => Some(address.clone()),
            },
        }
    }
}

impl TryFrom<String> for HttpAddress {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_at_an_address_with_a_port_or_at_an_absolute_path() {
        for good in ["127.0.0.1:9417", "0.0.0.0:0", "localhost:9417", "[::1]:9417", "[::]:9417", "my-host.example:80"] {
            assert_eq!(good.parse(), Ok(HttpAddress::Port(good.to_owned())), "{good}");
        }
        assert_eq!("/run/x.sock".parse(), "/run/x.sock".parse().map(HttpAddress::Socket));
        for bad in [
            "",
            "nonsense",
            "x.sock",
            "./x.sock",
            "/",
            "/run/",
            ":9417",
            "9417",
            "a:",
            "a:+1",
            "a:65536",
            "::1:9417",
            "[x]:1",
            "a b:1",
            "127.0.0:1",
            "127.0.0.256:9417",
            "1:1",
            "...:1",
            "-a.example:1",
            "a..b:1",
            "a-:1",
        ] {
            assert_eq!(bad.parse::<HttpAddress>(), Err(ListenError::Http), "{bad}");
        }
    }

    #[test]
    fn localhost_is_this_machine() {
        let address = |text: &str| text.parse::<HttpAddress>().unwrap().to_listen_at();
        assert_eq!(address("localhost:9417").as_deref(), Some("127.0.0.1:9417"));
        assert_eq!(address("localhost.example:9417").as_deref(), Some("localhost.example:9417"));
        assert_eq!(address("/run/x.sock"), None);
    }

    #[test]
    fn a_socket_has_an_absolute_path() {
        assert_eq!("/run/x.sock".parse::<SocketPath>().unwrap().path(), Path::new("/run/x.sock"));
        for bad in ["", "relative/x", "./x", "/run/"] {
            assert_eq!(bad.parse::<SocketPath>(), Err(ListenError::Socket), "{bad}");
        }
    }
}
