//! Settings from the environment; no other file of this program reads it. This program names no host: the list of upstreams
//! comes from the go command.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use proto::control::{MOUNT, MOUNTED_SOCKET};
use store::Limits;

use crate::error::ProxyError;
use crate::http_proxies::HttpProxies;
use crate::netrc::Netrc;

/// Files of trusted certificates where no variable names one, in the order of Go's crypto/x509 on Linux.
const CERTIFICATE_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What is asked of the go command.
const VARIABLES: [&str; 3] = ["GOPROXY", "GOSUMDB", "GOAUTH"];

/// Settings of a proxy.
#[derive(Debug, Default)]
pub struct Settings {
    /// The list of upstreams, as in GOPROXY.
    pub list: String,
    /// Name of the checksum database, where one is used.
    pub sumdb: Option<String>,
    /// Where files are cached.
    pub cache: CacheBackend,
    /// Limits of an embedded store.
    pub limits: Limits,
    /// Directory for the temporary files of downloads.
    pub spool_dir: PathBuf,
    /// Directory of the build's module: go.sum is looked for here and in the directories above.
    pub module_dir: Option<PathBuf>,
    /// Whether this proxy passes requests to the checksum database on; see docs/explanation/modproxy.md.
    pub serves_sumdb: bool,
    /// Whether no upstream is asked: what is not in the cache is an error.
    pub is_offline: bool,
    /// Whether each request is logged.
    pub logs_requests: bool,
    /// A file for its URL, for `cacheprogctl status`.
    pub url_file: Option<PathBuf>,
    /// PEM files of trusted certificates.
    pub certificates: Option<PathBuf>,
    /// Timeouts of requests to upstreams.
    pub timeouts: Timeouts,
    /// Passwords by host.
    pub netrc: Netrc,
    /// HTTP proxies.
    pub http_proxies: HttpProxies,
}

/// Where files are cached.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum CacheBackend {
    /// Nowhere.
    #[default]
    Disabled,
    /// By the daemon at this socket.
    Daemon(PathBuf),
    /// In an embedded store in this directory.
    Embedded(PathBuf),
}

/// Timeouts and delays of requests to upstreams.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection is made, with TLS.
    pub connect: Duration,
    /// Until the first byte of a response. An upstream may have to fetch the module itself first.
    pub response: Duration,
    /// Until the next bytes of a body.
    pub read: Duration,
    /// Until the end of a zip, however its bytes come. A body that never ends holds no thread longer than this.
    pub zip: Duration,
    /// The same for any other file.
    pub file: Duration,
    /// Delay before the second attempt; each further one waits four times as long.
    pub retry_delay: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connect: seconds(10),
            response: seconds(90),
            read: seconds(30),
            zip: seconds(3600),
            file: seconds(120),
            retry_delay: Duration::from_millis(200),
        }
    }
}

impl Settings {
    /// Settings for the proxy of one build: with the daemon's socket, if it is mounted.
    ///
    /// # Errors
    /// A [`ProxyError`] where `go env` fails.
    pub fn for_build() -> Result<Self, ProxyError> {
        let socket = env_var("NIX_GOCACHEPROG_SOCKET").map(PathBuf::from);
        let socket = socket.or_else(|| Path::new(MOUNT).is_dir().then(|| MOUNTED_SOCKET.into()));
        let mut settings = Self::read(None, go_env(&VARIABLES))?;
        settings.cache = socket.map_or(CacheBackend::Disabled, CacheBackend::Daemon);
        settings.module_dir = std::env::current_dir().ok();
        Ok(settings)
    }

    /// Settings for a proxy of the host's users: with the upstreams of `list`, or of `go env GOPROXY`, or of the variable where there
    /// is no go command; with the store `store`, or that of the client.
    ///
    /// # Errors
    /// As [`Self::for_build`].
    pub fn for_host(list: Option<&str>, store: Option<&Path>) -> Result<Self, ProxyError> {
        let path = |name| env_var(name).map(PathBuf::from);
        let client_store = || store::own_store_dir(path("XDG_CACHE_HOME"), path("HOME"));
        let variables = || VARIABLES.map(|name| env_var(name).unwrap_or_default());
        let values = go_env(&VARIABLES).or_else(|e| env_var("GOPROXY").map(|_| variables()).ok_or(e));
        let mut settings = Self::read(list, values)?;
        let directory = store.map(Path::to_owned).or_else(client_store);
        settings.cache = directory.map_or(CacheBackend::Disabled, CacheBackend::Embedded);
        settings.limits = limits(env_var("NIX_GOCACHEPROG_MAX_SIZE").as_deref());
        settings.serves_sumdb = true;
        // Where systemd makes a directory for the service.
        let directory = env_var("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next().map(PathBuf::from));
        settings.url_file = directory.map(|directory| directory.join("url"));
        Ok(settings)
    }

    /// With the values of [`VARIABLES`].
    fn read(list: Option<&str>, values: io::Result<[String; 3]>) -> Result<Self, ProxyError> {
        let [goproxy, sumdb, auth] = match (values, list) {
            (Ok(values), _) => values,
            (Err(_), Some(_)) => Default::default(), // there may be no go command: the list is given
            (Err(e), None) => return Err(ProxyError::GoEnv(e)),
        };
        let upper_or_lower = |name: &str| env_var(name).or_else(|| env_var(&name.to_ascii_lowercase()));
        let proxy = |name| upper_or_lower(name).unwrap_or_default();
        let uses_netrc = auth.is_empty() || auth.split(';').any(|method| method.trim() == "netrc");
        Ok(Self {
            list: list.map_or(goproxy, str::to_owned),
            sumdb: sumdb.split([' ', '+']).next().filter(|name| !name.is_empty() && *name != "off").map(str::to_owned),
            spool_dir: std::env::temp_dir(),
            certificates: ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"]
                .into_iter()
                .find_map(env_var)
                .map(PathBuf::from)
                .or_else(|| CERTIFICATE_FILES.into_iter().map(PathBuf::from).find(|path| path.is_file())),
            netrc: if uses_netrc { netrc() } else { Netrc::default() },
            http_proxies: HttpProxies::new(&proxy("HTTP_PROXY"), &proxy("HTTPS_PROXY"), &proxy("NO_PROXY")),
            ..Self::default()
        })
    }
}

/// The limits of an embedded store, from the variable that sets those of the client's.
fn limits(max_size: Option<&str>) -> Limits {
    max_size.map_or_else(Limits::default, |text| {
        Limits::with_max_size(text).unwrap_or_else(|e| {
            log::warn!("NIX_GOCACHEPROG_MAX_SIZE: {e}; using the default");
            Limits::default()
        })
    })
}

/// Whether informational messages are wanted.
#[must_use]
pub fn is_verbose() -> bool {
    env_var("NIX_GOCACHEPROG_VERBOSE").is_some_and(|value| value != "0")
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn env_var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A .netrc that cannot be read counts as empty: the go command reports what is wrong with it.
fn netrc() -> Netrc {
    let path = env_var("NETRC").map(PathBuf::from);
    let path = path.or_else(|| env_var("HOME").map(|home| Path::new(&home).join(".netrc")));
    Netrc::parse(&path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default())
}

/// Values of `go env`, by the go command in PATH; empty for a variable that it does not know. It runs in `/`, with the installed
/// toolchain, so that no module and no workspace makes it fetch another toolchain first.
fn go_env<const N: usize>(names: &[&str; N]) -> io::Result<[String; N]> {
    let mut go = Command::new("go");
    go.arg("env").args(names).env("GOTOOLCHAIN", "local").env_remove("GOFLAGS").env("GOWORK", "off").current_dir("/");
    let output = go.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(output.status.to_string()));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = text.lines();
    Ok(std::array::from_fn(|_| lines.next().unwrap_or_default().trim().to_owned()))
}
