//! What a browser or a scraper asks: the few words of HTTP/1.1 that are needed. Pure.

use std::io::Read;
use std::net::IpAddr;

/// Longest head of a request: a browser with many cookies of other services on the machine.
const LONGEST: usize = 8 << 10;

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Page,
    Metrics,
    /// It is not there.
    Nothing,
    /// Asked by another verb than GET.
    Verb,
    /// Asked for under a name that is not ours: a page elsewhere makes a browser ask us (DNS rebinding).
    Stranger,
    /// It is no request.
    Nonsense,
}

/// Reads a request's head, and nothing after it.
pub(crate) fn read(input: &mut impl Read, own_name: &str) -> Wanted {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match input.read(&mut piece) {
            Ok(0) | Err(_) => return Wanted::Nonsense,
            Ok(n) => head.extend_from_slice(&piece[..n]),
        }
        if head.len() > LONGEST {
            return Wanted::Nonsense;
        }
    }
    str::from_utf8(&head).map_or(Wanted::Nonsense, |head| wanted(head, own_name))
}

fn wanted(head: &str, own_name: &str) -> Wanted {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(verb), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Wanted::Nonsense;
    };
    if !version.starts_with("HTTP/1.") {
        return Wanted::Nonsense;
    }
    let host = lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("host"));
    if host.is_some_and(|(_, host)| !is_ours(host.trim(), own_name)) {
        return Wanted::Stranger;
    }
    match (verb, target.split('?').next().unwrap_or_default()) {
        ("GET", "/") => Wanted::Page,
        ("GET", "/metrics") => Wanted::Metrics,
        ("GET", _) => Wanted::Nothing,
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
        let asked = |head: &str| read(&mut head.as_bytes(), "builder.example.org");
        let get = |target: &str, host: &str| asked(&format!("GET {target} HTTP/1.1\r\nX: y\r\nhost: {host}\r\n\r\n"));
        assert_eq!(get("/", "127.0.0.1:9417"), Wanted::Page);
        assert_eq!(get("/metrics?x=1", "localhost:9417"), Wanted::Metrics);
        assert_eq!(get("/metrics", "[::1]:9417"), Wanted::Metrics);
        assert_eq!(get("/", "builder:9417"), Wanted::Page);
        assert_eq!(get("/etc/passwd", "10.0.0.1"), Wanted::Nothing);
        assert_eq!(get("/", "builder.example.org"), Wanted::Page);
        assert_eq!(get("/", "attacker.example.net"), Wanted::Stranger);
        assert_eq!(get("/", "builder.attacker.example.net"), Wanted::Stranger);
        assert_eq!(asked("POST / HTTP/1.1\r\n\r\n"), Wanted::Verb);
        for nonsense in ["", "GET /", "GET / HTTP/1.1\r\n", "x\r\n\r\n", "\u{0}\r\n\r\n", &"x".repeat(10_000)] {
            assert_eq!(asked(nonsense), Wanted::Nonsense);
        }
    }
}
