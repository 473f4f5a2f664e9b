//! What the environment says: the only place of this program that reads it. No host is named in this program: the list is
//! the go command's own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::control::{MOUNT, MOUNTED_SOCKET};
use store::Caps;

use crate::ProxyError;
use crate::netrc::Netrc;
use crate::route::Routes;

/// Where certificates are, where no variable says: as crypto/x509 of Go looks for them on Linux.
const CERTIFICATES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a proxy works with.
#[derive(Debug, Default)]
pub struct Settings {
    /// The list to stand in front of, as in GOPROXY.
    pub list: String,
    /// Name of the checksum database, where one is used.
    pub sumdb: Option<String>,
    /// Where things are kept.
    pub keep: Keep,
    /// What a store of its own is kept within.
    pub caps: Caps,
    /// Directory for what is on its way.
    pub spool: PathBuf,
    /// Where the build's module may be: go.sum is looked for here and above.
    pub module: Option<PathBuf>,
    /// Whether the checksum database may be reached by way of this proxy; see docs/explanation/modproxy.md.
    pub offers_sumdb: bool,
    /// PEM files of trusted certificates.
    pub certificates: Option<PathBuf>,
    /// How long to wait for what.
    pub patience: Patience,
    /// Passwords by host.
    pub netrc: Netrc,
    /// HTTP proxies.
    pub routes: Routes,
}

/// Where things are kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Nowhere.
    #[default]
    Nothing,
    /// With the daemon at this socket.
    Daemon(PathBuf),
    /// In a store of its own in this directory.
    Store(PathBuf),
}

/// How long to wait for an upstream.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection, with TLS.
    pub connect: Duration,
    /// For the first byte of an answer. An upstream may first have to fetch the module itself.
    pub answer: Duration,
    /// For the next piece of a body.
    pub silence: Duration,
    /// Before the second attempt; each further one waits four times as long.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), answer: seconds(90), silence: seconds(30), pause: Duration::from_millis(200) }
    }
}

impl Settings {
    /// For a proxy beside a build: with the daemon's socket, if it was mounted.
    ///
    /// # Errors
    /// A [`ProxyError`] where the go command does not say its list.
    pub fn of_a_build() -> Result<Self, ProxyError> {
        let socket = variable("NIX_GOCACHEPROG_SOCKET").map(PathBuf::from);
        let socket = socket.or_else(|| Path::new(MOUNT).is_dir().then(|| MOUNTED_SOCKET.into()));
        let mut settings = Self::read(None)?;
        settings.keep = socket.map_or(Keep::Nothing, Keep::Daemon);
        settings.module = std::env::current_dir().ok();
        Ok(settings)
    }

    /// For a proxy of the host's users, in front of `list`, or of what the go command says; in `store`, or where the
    /// client keeps its own.
    ///
    /// # Errors
    /// As [`Self::of_a_build`].
    pub fn of_a_host(list: Option<&str>, store: Option<&Path>) -> Result<Self, ProxyError> {
        let cache = || {
            let home = || variable("HOME").map(|home| Path::new(&home).join(".cache"));
            let cache = variable("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute()).or_else(home);
            cache.map(|cache| cache.join("nix-gocacheprog"))
        };
        let mut settings = Self::read(list)?;
        settings.keep = store.map(Path::to_owned).or_else(cache).map_or(Keep::Nothing, Keep::Store);
        settings.caps = caps(variable("NIX_GOCACHEPROG_MAX_SIZE").as_deref());
        settings.offers_sumdb = true;
        Ok(settings)
    }

    fn read(list: Option<&str>) -> Result<Self, ProxyError> {
        let asked = go_env(&["GOPROXY", "GOSUMDB", "GOAUTH"]);
        let [asked_list, sumdb, auth] = match (asked, list) {
            (Ok(asked), _) => asked,
            (Err(_), Some(_)) => Default::default(), // no go command here: the list is given
            (Err(e), None) => return Err(ProxyError::GoEnv(e)),
        };
        let upper_or_lower = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_lowercase()));
        let proxy = |name| upper_or_lower(name).unwrap_or_default();
        let uses_netrc = auth.is_empty() || auth.split(';').any(|way| way.trim() == "netrc");
        Ok(Self {
            list: list.map_or(asked_list, str::to_owned),
            sumdb: sumdb.split([' ', '+']).next().filter(|name| !name.is_empty() && *name != "off").map(str::to_owned),
            spool: std::env::temp_dir(),
            certificates: ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"]
                .into_iter()
                .find_map(variable)
                .map(PathBuf::from)
                .or_else(|| CERTIFICATES.into_iter().map(PathBuf::from).find(|path| path.is_file())),
            netrc: if uses_netrc { netrc() } else { Netrc::default() },
            routes: Routes::new(&proxy("HTTP_PROXY"), &proxy("HTTPS_PROXY"), &proxy("NO_PROXY")),
            ..Self::default()
        })
    }
}

/// The limits of the client's own store, by the same variable.
fn caps(max_size: Option<&str>) -> Caps {
    max_size.map_or_else(Caps::default, |text| {
        Caps::with_max_size(text).unwrap_or_else(|e| {
            log::warn!("NIX_GOCACHEPROG_MAX_SIZE: {e}; the default counts");
            Caps::default()
        })
    })
}

/// Whether it is asked to tell what happens.
#[must_use]
pub fn is_verbose() -> bool {
    variable("NIX_GOCACHEPROG_VERBOSE").is_some_and(|value| value != "0")
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A .netrc that cannot be read is none: the go command says what is wrong with it.
fn netrc() -> Netrc {
    let path = variable("NETRC").map(PathBuf::from);
    let path = path.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".netrc")));
    Netrc::parse(&path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default())
}

/// Asks the go command in PATH for its settings, an empty text for one that it does not know. In `/` and as it is installed,
/// so that no module and no workspace has it fetch another toolchain first.
fn go_env<const N: usize>(names: &[&str; N]) -> io::Result<[String; N]> {
    let mut go = Command::new("go");
    go.arg("env").args(names).env("GOTOOLCHAIN", "local").env_remove("GOFLAGS").env("GOWORK", "off").current_dir("/");
    let output = go.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("it ended with {}", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    Ok(std::array::from_fn(|_| lines.next().unwrap_or_default().trim().to_owned()))
}
