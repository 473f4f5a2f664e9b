//! One question to one entry of the list.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64_simd::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Uri, Version};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, Proxy};

use crate::list::{Entry, Place};
use crate::netrc::Netrc;
use crate::route::Routes;
use crate::settings::{Patience, Settings};
use crate::sync::lock;

/// What net/url leaves as it is in a path (`shouldEscape`), which is how the go command asks: `!` is not among it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b':')
    .remove(b'=')
    .remove(b'@')
    .remove(b'/');

/// Redirects that are followed, as the go command does.
const REDIRECTS: u32 = 10;

/// Idle connections to one upstream: a go command asks for ten files at once.
const IDLE: usize = 16;

/// How to reach upstreams.
pub(crate) struct Upstreams {
    patience: Patience,
    routes: Routes,
    netrc: Netrc,
    roots: RootCerts,
    /// One for each way that was taken: with TLS alone or without, by this proxy or none. Guards a map.
    agents: Mutex<HashMap<(bool, Option<String>), Agent>>,
}

/// An answer, its body still to be read.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: Option<u64>,
    /// Whether it is plain text.
    pub(crate) is_text: bool,
    /// The header that says so, where the body is not the file's own bytes.
    pub(crate) coding: Option<String>,
    /// Whether its end can be told from a broken connection.
    pub(crate) is_framed: bool,
    /// For status 206: the first byte, and how many the whole has.
    pub(crate) range: Option<(u64, u64)>,
    /// What names this content, for asking for the rest of it.
    pub(crate) validator: Option<String>,
    pub(crate) body: Box<dyn Read + Send>,
}

/// Why there is no answer, or no end of one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Nobody is there, or nobody says anything.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[source] Box<Error>),
    /// It was there and is no more: another attempt may do.
    #[error("the connection broke: {0}")]
    Broken(#[source] Box<Error>),
    /// Anything else.
    #[error("{0}")]
    Other(#[source] Box<Error>),
}

impl Upstreams {
    pub(crate) fn new(settings: &Settings) -> Self {
        let roots = settings.certificates.as_deref().map(certificates).unwrap_or_default();
        let (patience, routes, netrc) = (settings.patience, settings.routes.clone(), settings.netrc.clone());
        Self { patience, routes, netrc, roots: RootCerts::Specific(Arc::new(roots)), agents: Mutex::default() }
    }

    /// What .netrc says for an entry, which the go command sends with TLS only.
    pub(crate) fn netrc_login(&self, entry: &Entry) -> Option<(String, String)> {
        match &entry.place {
            Place::Web { base, login: None, .. } if base.starts_with("https:") => {
                self.netrc.login(base.parse::<Uri>().ok()?.host()?)
            }
            Place::Web { .. } | Place::File(_) => None,
        }
    }

    /// Asks for a path; with `rest` for what follows so many bytes of a content with that name.
    pub(crate) fn get(
        &self,
        entry: &Entry,
        path: &str,
        rest: Option<(u64, Option<&str>)>,
    ) -> Result<Response, Trouble> {
        let (base, query, login) = match &entry.place {
            Place::File(dir) => return file(&Path::new(dir).join(path)),
            Place::Web { base, query, login } => (base, query, login.clone().or_else(|| self.netrc_login(entry))),
        };
        let uri: Uri = format!("{base}/{}{query}", utf8_percent_encode(path, ESCAPED))
            .parse()
            .map_err(|_| Trouble::Other(Box::new(Error::BadUri("a path that no URL holds".to_owned()))))?;
        let mut request = self.agent(&uri)?.get(&uri);
        if let Some((user, password)) = login {
            request = request.header("Authorization", basic(&user, &password));
        }
        if let Some((from, validator)) = rest {
            request = request.header("Range", format!("bytes={from}-"));
            if let Some(validator) = validator {
                request = request.header("If-Range", validator);
            }
        }
        Ok(response(request.call().map_err(trouble)?))
    }

    fn agent(&self, uri: &Uri) -> Result<Agent, Trouble> {
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let proxy = self.routes.to(is_https, uri.host().unwrap_or_default(), port);
        let mut agents = lock(&self.agents);
        let way = (is_https, proxy.map(str::to_owned));
        if let Some(agent) = agents.get(&way) {
            return Ok(agent.clone());
        }
        let proxy = proxy.map(Proxy::new).transpose().map_err(|e| Trouble::Other(Box::new(e)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            TlsConfig::builder().root_certs(self.roots.clone()).unversioned_rustls_crypto_provider(provider).build();
        let agent: Agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .https_only(is_https) // no redirect leads from TLS to none
            .http_status_as_error(false)
            .max_redirects(REDIRECTS)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("nix-gocacheprog/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity") // lengths and ranges are those of the file
            .max_idle_connections(IDLE)
            .max_idle_connections_per_host(IDLE)
            .timeout_connect(Some(self.patience.connect))
            .timeout_recv_response(Some(self.patience.answer))
            // Also of the answer's beginning, which may take longer than the pieces that follow.
            .timeout_per_read(Some(self.patience.silence.max(self.patience.answer)))
            .build()
            .into();
        agents.insert(way, agent.clone());
        Ok(agent)
    }
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstreams").field("patience", &self.patience).finish_non_exhaustive() // no passwords
    }
}

/// Without any, nobody with TLS is trusted. A Nix build without them has the name of a file that is not there.
fn certificates(path: &Path) -> Vec<Certificate<'static>> {
    let read = fs::read(path).unwrap_or_else(|e| {
        log::info!("no certificates in {}: {e}", path.display());
        Vec::new()
    });
    let certificates = parse_pem(&read).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    });
    certificates.collect()
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode_to_string(format!("{user}:{password}")))
}

fn response(response: ureq::http::Response<ureq::Body>) -> Response {
    let text = |headers: &HeaderMap, name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let headers = response.headers();
    let is_chunked = response.version() > Version::HTTP_10 && headers.contains_key("transfer-encoding");
    let length = text(headers, "content-length").filter(|_| !is_chunked).and_then(|length| length.parse().ok());
    // A weak one names contents that are alike, not the same bytes.
    let etag = text(headers, "etag").filter(|etag| !etag.starts_with("W/"));
    let validator = etag.or_else(|| text(headers, "last-modified"));
    let range = text(headers, "content-range").and_then(|range| {
        let (span, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        Some((span.split_once('-')?.0.parse().ok()?, whole.parse().ok()?))
    });
    let coding = coding(response.version(), headers);
    let is_text = text(headers, "content-type").is_some_and(|kind| kind.starts_with("text/plain")) && coding.is_none();
    let status = response.status().as_u16();
    let is_framed = length.is_some() || is_chunked;
    let body = response.into_body().into_with_config().limit(u64::MAX).reader();
    Response { status, length, is_text, coding, is_framed, range, validator, body: Box::new(body) }
}

/// What was done to a body that nobody asked for, and that no library takes back here. Go's HTTP client asks for gzip, takes
/// that back, hands on any other `Content-Encoding` as it is, and refuses a `Transfer-Encoding` other than `chunked`
/// (net/http/transport.go `readLoop`, transfer.go `parseTransferEncoding`, Go 1.26). Of HTTP/1.0 both ignore the latter.
fn coding(version: Version, headers: &HeaderMap) -> Option<String> {
    let values = |name: &str| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    let (packed, sent) = (values("content-encoding"), values("transfer-encoding"));
    let is_plain = |way: &str| way.is_empty() || way.eq_ignore_ascii_case("identity");
    if !packed.split(',').all(|way| is_plain(way.trim())) {
        return Some(format!("Content-Encoding: {packed}"));
    }
    let is_known = !headers.contains_key("transfer-encoding") || sent.eq_ignore_ascii_case("chunked");
    (version > Version::HTTP_10 && !is_known).then(|| format!("Transfer-Encoding: {sent}"))
}

/// A file of a directory, as cmd/go/internal/web answers for one (`getFile`).
fn file(path: &Path) -> Result<Response, Trouble> {
    let opened = fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (status, length, body): (_, _, Box<dyn Read + Send>) = match opened {
        Ok((metadata, _)) if !metadata.is_file() => (404, 0, Box::new(io::empty())),
        Ok((metadata, file)) => (200, metadata.len(), Box::new(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => (404, 0, Box::new(io::empty())),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => (403, 0, Box::new(io::empty())),
        Err(e) => return Err(Trouble::Other(Box::new(Error::Io(e)))),
    };
    let (length, is_framed) = (Some(length), true);
    Ok(Response { status, length, is_text: false, coding: None, is_framed, range: None, validator: None, body })
}

/// What an error of the library means for what to do next.
pub(crate) fn trouble(error: Error) -> Trouble {
    let error = Box::new(error);
    match &*error {
        Error::Io(e) => match e.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Trouble::Broken(error),
            _ => Trouble::Unreachable(error),
        },
        Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed | Error::ConnectProxyFailed(_) => {
            Trouble::Unreachable(error)
        }
        _ => Trouble::Other(error),
    }
}

/// What a failed read of a body means.
pub(crate) fn trouble_in_body(error: io::Error) -> Trouble {
    trouble(Error::from(error)) // which takes out the library's own error, if that is within
}
