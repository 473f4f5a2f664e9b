//! What a browser or a scraper asks for. httparse reads the head; this file decides what is asked for, and whether under a name
//! of this machine.
//!
//! Pure: the responses are made in mod.rs.

use std::io::Read;
use std::net::IpAddr;

use httparse::{EMPTY_HEADER, Request, Status};

use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEAD_LINES};

/// A request, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HttpRequest {
    pub(crate) target: Target,
    /// The response has no body.
    pub(crate) is_head: bool,
}

/// What is asked for, or why it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Page,
    Metrics,
    NotFound,
    /// Another method than GET and HEAD.
    MethodNotAllowed,
    /// A host name that is not this machine's: a page elsewhere makes a browser ask us (DNS rebinding).
    Misdirected,
    BadRequest,
}

/// Reads a request's head, and nothing after it.
pub(crate) fn read(input: &mut impl Read, own_name: &str) -> HttpRequest {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while head.len() <= HTTP_HEAD_BYTES {
        match input.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => head.extend_from_slice(&piece[..n]),
        }
        let mut lines = [EMPTY_HEADER; HTTP_HEAD_LINES];
        let mut request = Request::new(&mut lines);
        match request.parse(&head) {
            Ok(Status::Partial) => {}
            Ok(Status::Complete(_)) => {
                return HttpRequest { target: target(&request, own_name), is_head: request.method == Some("HEAD") };
            }
            Err(_) => break,
        }
    }
    HttpRequest { target: Target::BadRequest, is_head: false }
}

fn target(request: &Request<'_, '_>, own_name: &str) -> Target {
    let mut hosts = request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case("host"));
    if !hosts.all(|host| str::from_utf8(host.value).is_ok_and(|host| is_this_machine(host.trim(), own_name))) {
        return Target::Misdirected;
    }
    match (request.method, request.path.and_then(|path| path.split('?').next())) {
        (Some("GET" | "HEAD"), Some("/")) => Target::Page,
        (Some("GET" | "HEAD"), Some("/metrics")) => Target::Metrics,
        (Some("GET" | "HEAD"), _) => Target::NotFound,
        _ => Target::MethodNotAllowed,
    }
}

/// Whether a host name is an address, localhost or the machine's own name: none of them needs a DNS server of others.
fn is_this_machine(host: &str, own_name: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    // Its whole name, or its first part alone: under another domain it may be another machine's.
    let is_own = !name.is_empty() && (name == own_name || Some(name) == own_name.split('.').next());
    name.is_empty() || name == "localhost" || name.parse::<IpAddr>().is_ok() || is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_target_or_its_error() {
        let asked = |head: &str| read(&mut head.as_bytes(), "builder.example.org").target;
        let get = |target: &str, host: &str| asked(&format!("GET {target} HTTP/1.1\r\nX: y\r\nhost: {host}\r\n\r\n"));
        assert_eq!(get("/", "127.0.0.1:9417"), Target::Page);
        assert_eq!(get("/metrics?x=1", "localhost:9417"), Target::Metrics);
        assert_eq!(get("/metrics", "[::1]:9417"), Target::Metrics);
        assert_eq!(get("/", "builder:9417"), Target::Page);
        assert_eq!(get("/etc/passwd", "10.0.0.1"), Target::NotFound);
        assert_eq!(get("/", "builder.example.org"), Target::Page);
        assert_eq!(get("/", "attacker.example.net"), Target::Misdirected);
        assert_eq!(get("/", "builder.attacker.example.net"), Target::Misdirected);
        assert_eq!(
            asked("GET / HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example.net\r\n\r\n"),
            Target::Misdirected
        );
        assert_eq!(asked("GET / HTTP/1.0\n\n"), Target::Page, "lines may end without a CR (RFC 9112, 2.2)");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            assert_eq!(asked(&format!("{method} / HTTP/1.1\r\n\r\n")), Target::MethodNotAllowed);
        }
        assert_eq!(read(&mut &b"HEAD / HTTP/1.1\r\n\r\n"[..], ""), HttpRequest { target: Target::Page, is_head: true });
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(HTTP_HEAD_LINES + 1));
        for garbage in ["", "GET /", "GET / HTTP/1.1\r\n", "x\r\n\r\n", "\u{0}\r\n\r\n", &"x".repeat(10_000), &many] {
            assert_eq!(asked(garbage), Target::BadRequest);
        }
    }
}
