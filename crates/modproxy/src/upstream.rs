//! One request to one entry of the list: a server by HTTP, or a directory of this machine.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::http::{HeaderMap, Uri, Version};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error, Proxy};

use crate::goproxy_list::{Entry, Location};
use crate::http_proxies::HttpProxies;
use crate::mutex::lock;
use crate::netrc::Netrc;
use crate::redirect;
use crate::settings::{Settings, Timeouts};

/// What net/url does not escape in a path (`shouldEscape`), as in the go command's requests: `!` is escaped.
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

/// Requests for one file, redirects included: as many as the go command makes (cmd/go/internal/web/http.go `checkRedirect`).
const MAX_REQUESTS: u32 = 10;

/// Longest body of a redirect that is read (net/http/client.go `maxBodySlurpSize`).
const MAX_REDIRECT_BODY: u64 = 2 << 10;

/// Idle connections kept to one upstream: a go command asks for ten files at once.
const MAX_IDLE_CONNECTIONS: usize = 16;

/// Reaches upstreams: with their passwords, by HTTP proxies, with connections kept.
pub(crate) struct UpstreamClient {
    timeouts: Timeouts,
    http_proxies: HttpProxies,
    netrc: Netrc,
    root_certificates: RootCerts,
    /// One agent for each pair of "TLS only" and HTTP proxy. Guards a map.
    agents: Mutex<HashMap<(bool, Option<String>), Agent>>,
}

/// A response; its body is still to be read.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: Option<u64>,
    /// Whether it is plain text.
    pub(crate) is_text: bool,
    /// The header that names an encoding, where the body is not the file's own bytes.
    pub(crate) encoding: Option<String>,
    /// Whether the end of the body differs from a lost connection.
    pub(crate) is_framed: bool,
    /// For status 206: the offset of the first byte, and the length of the whole.
    pub(crate) range: Option<(u64, u64)>,
    /// The name of this content (`ETag` or date), with which the rest of it can be asked for.
    pub(crate) validator: Option<String>,
    pub(crate) body: Box<dyn Read + Send>,
}

/// Why there is no response, or no end of one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No server answers there, or not in time.
    #[error("the upstream cannot be reached: {0}")]
    Unreachable(#[source] Box<Error>),
    /// The connection was lost: another attempt may succeed.
    #[error("the connection to the upstream was lost: {0}")]
    ConnectionLost(#[source] Box<Error>),
    /// Anything else.
    #[error("the request to the upstream failed: {0}")]
    Other(#[source] Box<Error>),
}

impl UpstreamClient {
    pub(crate) fn new(settings: &Settings) -> Self {
        let roots = settings.certificates.as_deref().map(certificates).unwrap_or_default();
        Self {
            timeouts: settings.timeouts,
            http_proxies: settings.http_proxies.clone(),
            netrc: settings.netrc.clone(),
            root_certificates: RootCerts::Specific(Arc::new(roots)),
            agents: Mutex::default(),
        }
    }

    /// User and password from .netrc for an entry. The go command sends them with TLS only.
    pub(crate) fn netrc_login(&self, entry: &Entry) -> Option<(String, String)> {
        match &entry.location {
            Location::Server { base, login: None, .. } if base.starts_with("https:") => {
                self.netrc.login(base.parse::<Uri>().ok()?.host()?)
            }
            Location::Server { .. } | Location::Directory(_) => None,
        }
    }

    /// Asks for a path; with `rest` for the bytes from an offset, of the content with that validator. The body has `max_time`: the
    /// HTTP library reads the trailers after the last chunk, however long they are.
    pub(crate) fn get(
        &self,
        entry: &Entry,
        path: &str,
        rest: Option<(u64, &str)>,
        max_time: Duration,
    ) -> Result<Response, UpstreamError> {
        let (base, query, login) = match &entry.location {
            Location::Directory(dir) => return directory_response(&Path::new(dir).join(path)),
            Location::Server { base, query, login } => (base, query, login.clone().or_else(|| self.netrc_login(entry))),
        };
        let first: Uri = format!("{base}/{}{query}", utf8_percent_encode(path, ESCAPED))
            .parse()
            .map_err(|_| bad_uri("the path makes no URL"))?;
        let (mut uri, mut keeps_login) = (first.clone(), true);
        for _ in 0..MAX_REQUESTS {
            // After another host it does not come back (net/http/client.go `stripSensitiveHeaders`): that host chose this address.
            keeps_login &= redirect::keeps_login(&first, &uri);
            let mut request = self.agent(&uri)?.get(&uri).config().timeout_recv_body(Some(max_time)).build();
            if let Some((user, password)) = login.as_ref().filter(|_| keeps_login) {
                request = request.header("Authorization", basic(user, password));
            }
            if let Some((from, validator)) = rest {
                request = request.header("Range", format!("bytes={from}-")).header("If-Range", validator);
            }
            let answered = request.call().map_err(classify)?;
            let Some(location) = redirect::location(answered.status().as_u16(), answered.headers()) else {
                return Ok(response(answered));
            };
            finish_redirect(answered);
            uri = redirect::target(&uri, &location)
                .ok_or_else(|| bad_uri("it redirects to what is no URL, or from TLS to none"))?;
        }
        Err(UpstreamError::Other(Box::new(Error::TooManyRedirects)))
    }

    fn agent(&self, uri: &Uri) -> Result<Agent, UpstreamError> {
        let is_https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let proxy = self.http_proxies.proxy_for(is_https, uri.host().unwrap_or_default(), port);
        let mut agents = lock(&self.agents);
        let agent_key = (is_https, proxy.map(str::to_owned));
        if let Some(agent) = agents.get(&agent_key) {
            return Ok(agent.clone());
        }
        let proxy = proxy.map(Proxy::new).transpose().map_err(|e| UpstreamError::Other(Box::new(e)))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(self.root_certificates.clone())
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent: Agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .https_only(is_https)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("nix-gocacheprog/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity") // lengths and ranges are those of the file
            .max_idle_connections(MAX_IDLE_CONNECTIONS)
            .max_idle_connections_per_host(MAX_IDLE_CONNECTIONS)
            .timeout_connect(Some(self.timeouts.connect))
            .timeout_recv_response(Some(self.timeouts.response))
            // It also holds for the first read of a response, which may take longer than later ones.
            .timeout_per_read(Some(self.timeouts.read.max(self.timeouts.response)))
            .build()
            .into();
        agents.insert(agent_key, agent.clone());
        Ok(agent)
    }
}

impl std::fmt::Debug for UpstreamClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpstreamClient").field("timeouts", &self.timeouts).finish_non_exhaustive() // no passwords
    }
}

/// Without certificates no TLS server is trusted. In a Nix build without them the variable names a file that does not exist.
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

fn bad_uri(why: &str) -> UpstreamError {
    UpstreamError::Other(Box::new(Error::BadUri(why.to_owned())))
}

/// Reads the body of a redirect if it is short, so that the connection can be kept, as Go's HTTP client does.
fn finish_redirect(response: ureq::http::Response<ureq::Body>) {
    let mut body = response.into_body();
    if body.content_length().is_some_and(|length| length <= MAX_REDIRECT_BODY) {
        drop(io::copy(&mut body.as_reader(), &mut io::sink())); // a connection that fails is not kept
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode_to_string(format!("{user}:{password}")))
}

fn response(response: ureq::http::Response<ureq::Body>) -> Response {
    let text = |headers: &HeaderMap, name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let headers = response.headers();
    let is_chunked = response.version() > Version::HTTP_10 && headers.contains_key("transfer-encoding");
    let length = text(headers, "content-length").filter(|_| !is_chunked).and_then(|length| length.parse().ok());
    // A weak ETag names equivalent contents, not the same bytes.
    let etag = text(headers, "etag").filter(|etag| !etag.starts_with("W/"));
    let validator = etag.or_else(|| text(headers, "last-modified"));
    let range = text(headers, "content-range").and_then(|range| {
        let (span, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        Some((span.split_once('-')?.0.parse().ok()?, whole.parse().ok()?))
    });
    let encoding = encoding(response.version(), headers);
    let is_text =
        text(headers, "content-type").is_some_and(|kind| kind.starts_with("text/plain")) && encoding.is_none();
    let status = response.status().as_u16();
    let is_framed = length.is_some() || is_chunked;
    let body = response.into_body().into_with_config().limit(u64::MAX).reader();
    Response { status, length, is_text, encoding, is_framed, range, validator, body: Box::new(body) }
}

/// The header of an encoding that was not requested and that no library decodes here. Go's HTTP client requests gzip and
/// decodes it, passes any other `Content-Encoding` on undecoded, and refuses a `Transfer-Encoding` other than `chunked`
/// (net/http/transport.go `readLoop`, transfer.go `parseTransferEncoding`, Go 1.26). Both ignore the latter in HTTP/1.0.
fn encoding(version: Version, headers: &HeaderMap) -> Option<String> {
    let values = |name: &str| {
        let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        values.collect::<Vec<_>>().join(", ")
    };
    let (content, transfer) = (values("content-encoding"), values("transfer-encoding"));
    let is_identity = |name: &str| name.is_empty() || name.eq_ignore_ascii_case("identity");
    if !content.split(',').all(|name| is_identity(name.trim())) {
        return Some(format!("Content-Encoding: {content}"));
    }
    let is_known = !headers.contains_key("transfer-encoding") || transfer.eq_ignore_ascii_case("chunked");
    (version > Version::HTTP_10 && !is_known).then(|| format!("Transfer-Encoding: {transfer}"))
}

/// The response for a file of a directory, as cmd/go/internal/web makes it (`getFile`).
fn directory_response(path: &Path) -> Result<Response, UpstreamError> {
    let opened = fs::File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (status, length, body): (_, _, Box<dyn Read + Send>) = match opened {
        Ok((metadata, _)) if !metadata.is_file() => (404, 0, Box::new(io::empty())),
        Ok((metadata, file)) => (200, metadata.len(), Box::new(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => (404, 0, Box::new(io::empty())),
        Err(e) if e.kind() == ErrorKind::PermissionDenied => (403, 0, Box::new(io::empty())),
        Err(e) => return Err(UpstreamError::Other(Box::new(Error::Io(e)))),
    };
    let (length, is_framed) = (Some(length), true);
    Ok(Response { status, length, is_text: false, encoding: None, is_framed, range: None, validator: None, body })
}

/// The class of an HTTP error, by what can be done next.
pub(crate) fn classify(error: Error) -> UpstreamError {
    let error = Box::new(error);
    match &*error {
        Error::Io(e) => match e.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => UpstreamError::ConnectionLost(error),
            _ => UpstreamError::Unreachable(error),
        },
        Error::Timeout(_) | Error::HostNotFound | Error::ConnectionFailed | Error::ConnectProxyFailed(_) => {
            UpstreamError::Unreachable(error)
        }
        _ => UpstreamError::Other(error),
    }
}

/// The class of a failed read of a body.
pub(crate) fn classify_body_error(error: io::Error) -> UpstreamError {
    classify(Error::from(error)) // takes the library's own error out, where it is inside
}
