//! One HTTP request and the head of its response, by the HTTP library: TLS, proxies of the environment, connections that are kept.
//! It follows no redirects and repeats nothing: that is for engine.rs.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::http::header::{CONTENT_LENGTH, EXPECT, HeaderName};
use ureq::http::{HeaderValue, Request, Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy, SendBody, Timeout};

use super::error::EngineError;
use super::error_details::{At, Phase, Unavailability};
use crate::limits::{Deadlines, MAX_CONNECTIONS, MAX_RESPONSE_HEAD};

/// How servers are reached.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    /// A PEM file of trusted certificates.
    pub certificates: Option<PathBuf>,
    /// The HTTP proxy. Servers of this machine are always reached without it.
    pub proxy: HttpProxy,
    /// Deadlines of each request.
    pub deadlines: Deadlines,
}

/// Which HTTP proxy is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpProxy {
    /// None.
    #[default]
    None,
    /// The one of the variables `ALL_PROXY`, `HTTPS_PROXY` or `HTTP_PROXY`, except for the hosts in `NO_PROXY`, as the HTTP library reads
    /// them: a name in `NO_PROXY` is that host alone, `*.name` and `.name` are those below it.
    Environment,
}

/// A request to send.
pub(crate) struct Outgoing<'a> {
    pub(crate) method: &'static str,
    pub(crate) uri: Uri,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// A body with its size in bytes.
    pub(crate) body: Option<(&'a mut dyn Read, u64)>,
    /// Whether to wait for the server's consent before the body is sent (at most a second). A server that refuses a request
    /// without reading its body closes the connection, and its answer is lost.
    pub(crate) asks_first: bool,
}

/// Sends requests.
#[derive(Debug)]
pub(crate) struct HttpClient {
    direct: Agent,
    proxied: Agent,
    pub(crate) deadlines: Deadlines,
}

impl HttpClient {
    pub(crate) fn new(connections: &Connections) -> Self {
        let roots = connections.certificates.as_deref().map(certificates).unwrap_or_default();
        let roots = RootCerts::Specific(Arc::new(roots));
        let proxy = match connections.proxy {
            HttpProxy::None => None,
            HttpProxy::Environment => Proxy::try_from_env(),
        };
        let agent = |proxy| agent(roots.clone(), proxy, &connections.deadlines);
        Self { direct: agent(None), proxied: agent(proxy), deadlines: connections.deadlines }
    }

    /// Sends a request and waits for the head of the response. `is_local`: the server is on this machine.
    pub(crate) fn send(&self, request: Outgoing<'_>, is_local: bool) -> Result<Response<Body>, ureq::Error> {
        let agent = if is_local { &self.direct } else { &self.proxied };
        let mut builder = Request::builder().method(request.method).uri(request.uri);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let Some((body, size)) = request.body else {
            return agent.run(builder.body(SendBody::none())?);
        };
        builder = builder.header(CONTENT_LENGTH, size);
        if request.asks_first {
            builder = builder.header(EXPECT, "100-continue");
        }
        let response = self.deadlines.put_response(size);
        let request = agent.configure_request(builder.body(SendBody::from_reader(body))?);
        agent.run(request.timeout_recv_response(Some(response)).timeout_per_read(Some(response)).build())
    }

    /// The error for a request without a response.
    pub(crate) fn no_response(&self, at: At, error: ureq::Error, body_size: u64) -> EngineError {
        let slow = |at, phase, limit| EngineError::Slow { at, phase, limit };
        let first_byte = if body_size > 0 { self.deadlines.put_response(body_size) } else { self.deadlines.first_byte };
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                slow(at, Phase::Connect, self.deadlines.connect)
            }
            ureq::Error::Timeout(Timeout::PerWrite | Timeout::SendRequest | Timeout::SendBody) => {
                slow(at, Phase::Send, self.deadlines.pace_window)
            }
            ureq::Error::Timeout(_) => slow(at, Phase::FirstByte, first_byte),
            ureq::Error::Io(ref e) if e.kind() == io::ErrorKind::TimedOut => slow(at, Phase::FirstByte, first_byte),
            ureq::Error::Io(ref e) if is_lost(e.kind()) => {
                EngineError::Unavailable { at, cause: Unavailability::Lost(Box::new(error)) }
            }
            ureq::Error::Io(ref e) if is_of_tls(e) => EngineError::Tls { at, source: Box::new(error) },
            ureq::Error::Io(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::ConnectProxyFailed(_) => {
                EngineError::Unavailable { at, cause: Unavailability::Connect(Box::new(error)) }
            }
            ureq::Error::Tls(_) | ureq::Error::Rustls(_) | ureq::Error::Pem(_) | ureq::Error::TlsRequired => {
                EngineError::Tls { at, source: Box::new(error) }
            }
            other => EngineError::Protocol { at, what: other.to_string() },
        }
    }
}

/// Whether a connection that was made is gone.
pub(crate) fn is_lost(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// rustls' errors come inside of those of the system.
fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

fn agent(roots: RootCerts, proxy: Option<Proxy>, deadlines: &Deadlines) -> Agent {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build();
    Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("nix-gocacheprog/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity") // lengths and ranges are those of the object
        .max_response_header_size(MAX_RESPONSE_HEAD)
        .max_idle_connections(MAX_CONNECTIONS)
        .max_idle_connections_per_host(MAX_CONNECTIONS)
        .timeout_resolve(Some(deadlines.connect))
        .timeout_connect(Some(deadlines.connect))
        .timeout_send_request(Some(deadlines.first_byte))
        .timeout_recv_response(Some(deadlines.first_byte))
        // It also holds for the first read of a response.
        .timeout_per_read(Some(deadlines.pace_window.max(deadlines.first_byte)))
        .timeout_per_write(Some(deadlines.pace_window))
        .build()
        .into()
}

/// Without certificates no TLS server is trusted.
fn certificates(path: &Path) -> Vec<Certificate<'static>> {
    let read = fs::read(path).unwrap_or_else(|e| {
        log::warn!("no trusted certificates: cannot read {}: {e}", path.display());
        Vec::new()
    });
    let certificates = parse_pem(&read).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    });
    certificates.collect()
}
