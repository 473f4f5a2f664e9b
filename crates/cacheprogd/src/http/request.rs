//! What a browser or a scraper asks. Pure: httparse reads the head, here is decided what it asks for.

use std::io::Read;
use std::net::IpAddr;

use httparse::{EMPTY_HEADER, Request, Status};

/// Longest head of a request, in bytes and in lines: a browser with many cookies of other services on the machine.
const LONGEST: usize = 8 << 10;
const MOST_LINES: usize = 64;

/// A request, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) wanted: Wanted,
    /// The answer is to be without its body.
    pub(crate) is_head: bool,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Page,
    Metrics,
    /// It is not there.
    Nothing,
    /// Asked by another verb than GET and HEAD.
    Verb,
    /// Asked for under a name that is not ours: a page elsewhere makes a browser ask us (DNS rebinding).
    Stranger,
    /// It is no request.
    Nonsense,
}

/// Reads a request's head, and nothing after it.
pub(crate) fn read(input: &mut impl Read, own_name: &str) -> Asked {
    let (mut head, mut piece) = (Vec::new(), [0; 1024]);
    while head.len() <= LONGEST {
        match input.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(n) => head.extend_from_slice(&piece[..n]),
        }
        let mut lines = [EMPTY_HEADER; MOST_LINES];
        let mut request = Request::new(&mut lines);
        match request.parse(&head) {
            Ok(Status::Partial) => {}
            Ok(Status::Complete(_)) => {
                return Asked { wanted: wanted(&request, own_name), is_head: request.method == Some("HEAD") };
            }
            Err(_) => break,
        }
    }
    Asked { wanted: Wanted::Nonsense, is_head: false }
}

fn wanted(request: &Request<'_, '_>, own_name: &str) -> Wanted {
    let mut hosts = request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case("host"));
    if !hosts.all(|host| str::from_utf8(host.value).is_ok_and(|host| is_ours(host.trim(), own_name))) {
        return Wanted::Stranger;
    }
    match (request.method, request.path.and_then(|path| path.split('?').next())) {
        (Some("GET" | "HEAD"), Some("/")) => Wanted::Page,
        (Some("GET" | "HEAD"), Some("/metrics")) => Wanted::Metrics,
        (Some("GET" | "HEAD"), _) => Wanted::Nothing,
        _ => Wanted::Verb,
    }
}

/// Whether a name leads to us without anyone's DNS, or is the machine's own.
fn is_ours(host: &str, own_name: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    // Its whole name, or its first part alone: under another domain it may be anyone's.
    let is_own = !name.is_empty() && (name == own_name || Some(name) == own_name.split('.').next());
    name.is_empty() || name == "localhost" || name.parse::<IpAddr>().is_ok() || is_own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        let asked = |head: &str| read(&mut head.as_bytes(), "builder.example.org").wanted;
        let get = |target: &str, host: &str| asked(&format!("GET {target} HTTP/1.1\r\nX: y\r\nhost: {host}\r\n\r\n"));
        assert_eq!(get("/", "127.0.0.1:9417"), Wanted::Page);
        assert_eq!(get("/metrics?x=1", "localhost:9417"), Wanted::Metrics);
        assert_eq!(get("/metrics", "[::1]:9417"), Wanted::Metrics);
        assert_eq!(get("/", "builder:9417"), Wanted::Page);
        assert_eq!(get("/etc/passwd", "10.0.0.1"), Wanted::Nothing);
        assert_eq!(get("/", "builder.example.org"), Wanted::Page);
        assert_eq!(get("/", "attacker.example.net"), Wanted::Stranger);
        assert_eq!(get("/", "builder.attacker.example.net"), Wanted::Stranger);
        assert_eq!(asked("GET / HTTP/1.1\r\nHost: localhost\r\nHost: attacker.example.net\r\n\r\n"), Wanted::Stranger);
        assert_eq!(asked("GET / HTTP/1.0\n\n"), Wanted::Page, "lines may end without a CR (RFC 9112, 2.2)");
        for verb in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            assert_eq!(asked(&format!("{verb} / HTTP/1.1\r\n\r\n")), Wanted::Verb);
        }
        assert_eq!(read(&mut &b"HEAD / HTTP/1.1\r\n\r\n"[..], ""), Asked { wanted: Wanted::Page, is_head: true });
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(MOST_LINES + 1));
        for nonsense in ["", "GET /", "GET / HTTP/1.1\r\n", "x\r\n\r\n", "\u{0}\r\n\r\n", &"x".repeat(10_000), &many] {
            assert_eq!(asked(nonsense), Wanted::Nonsense);
        }
    }
}
