//! What a module proxy that runs as a service has done: read from its metrics (modproxy: metrics.rs), at the URL that it wrote into the
//! directory of its unit (nixos/units.nix, `RuntimeDirectory`). Where none runs there is nothing to tell.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proto::figures::{bytes, number, seconds};
use serde::Serialize;

use crate::user_dirs;

/// The file with its URL, in the directory of units.
const URL_FILE: &str = "nix-gocacheprog-modproxy/url";

/// How long all this may take: a proxy makes its answer from numbers in memory.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The most that is read of its answer; it has 4 KiB.
const MAX_ANSWER: usize = 64 << 10;

/// What stands before each name.
const PREFIX: &str = "gocacheprog_modproxy_";

/// The figures of a module proxy, since it started.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ModproxyStatus {
    url: String,
    up_seconds: u64,
    /// Whether it asks no upstream.
    is_offline: bool,
    /// Requests by what came of them.
    requests: BTreeMap<String, u64>,
    sent_bytes: u64,
    downloads: u64,
    downloaded_bytes: u64,
    upstream_requests: u64,
    upstream_errors: u64,
    /// What is in its cache; none without one.
    cache_bytes: Option<u64>,
    cache_limit_bytes: Option<u64>,
}

/// Asks the machine's module proxy, or that of this user.
pub(crate) fn find() -> Option<ModproxyStatus> {
    let deadline = Instant::now() + TIMEOUT;
    [PathBuf::from("/run"), user_dirs::runtime()].iter().find_map(|directory| ask(directory, deadline))
}

/// Asks the one whose URL is below this directory. It listens on this machine alone; another URL is not its own.
fn ask(directory: &Path, deadline: Instant) -> Option<ModproxyStatus> {
    let url = std::fs::read_to_string(directory.join(URL_FILE)).ok()?;
    let address: SocketAddr = url.trim().strip_prefix("http://")?.parse().ok()?;
    if !address.ip().is_loopback() {
        return None;
    }
    let metrics = fetch(address, deadline).inspect_err(|e| log::debug!("the module proxy at {address}: {e}")).ok()?;
    Some(parse(address, metrics.split_once("\r\n\r\n")?.1))
}

/// The whole response: it closes a connection of HTTP/1.0.
fn fetch(address: SocketAddr, deadline: Instant) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    // In one piece: a server may answer and close after the first one, and what it did not read resets the connection.
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut response = Vec::new();
    // A timeout counts from the last byte, so each read has what is left of the whole.
    while response.len() < MAX_ANSWER {
        stream.set_read_timeout(Some(left(deadline)?))?;
        let mut part = [0; 4096];
        let length = stream.read(&mut part)?;
        if length == 0 {
            break;
        }
        response.extend_from_slice(&part[..length]);
    }
    String::from_utf8(response).map_err(io::Error::other)
}

/// What is left until then.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn parse(address: SocketAddr, metrics: &str) -> ModproxyStatus {
    let values = metrics.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix(PREFIX)?.rsplit_once(' ')?;
        Some((name, value.parse().ok()?))
    });
    let values: BTreeMap<&str, u64> = values.collect();
    let value = |name: &str| values.get(name).copied().unwrap_or_default();
    let requests = values.iter().filter_map(|(name, count)| {
        let result = name.strip_prefix("requests_total{result=\"")?.strip_suffix("\"}")?;
        Some((result.to_owned(), *count))
    });
    ModproxyStatus {
        url: format!("http://{address}"),
        up_seconds: value("up_seconds"),
        is_offline: value("offline") == 1,
        requests: requests.collect(),
        sent_bytes: value("sent_bytes_total"),
        downloads: value("downloads_total"),
        downloaded_bytes: value("downloaded_bytes_total"),
        upstream_requests: value("upstream_requests_total"),
        upstream_errors: value("upstream_errors_total"),
        cache_bytes: values.get("cache_bytes").copied(),
        cache_limit_bytes: values.get("cache_limit_bytes").copied(),
    }
}

impl ModproxyStatus {
    /// In words.
    pub(crate) fn text(&self) -> String {
        let of = |result: &str| self.requests.get(result).copied().unwrap_or_default();
        let all = self.requests.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let failed = of("failed").saturating_add(of("aborted"));
        let offline = if self.is_offline { ", offline" } else { "" };
        let kept = self.cache_bytes.map_or("no cache".to_owned(), |kept| {
            let most = self.cache_limit_bytes.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
            format!("{} kept{most}", bytes(kept))
        });
        format!(
            "module proxy {}, up {}{offline}: {} requests, {} from the cache, {} failed; {} sent, {} downloaded, {kept}; {} of {} \
             requests to upstreams failed\n",
            self.url,
            seconds(self.up_seconds),
            number(all),
            number(of("cached")),
            number(failed),
            bytes(self.sent_bytes),
            bytes(self.downloaded_bytes),
            number(self.upstream_errors),
            number(self.upstream_requests),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    const METRICS: &str = "# HELP gocacheprog_modproxy_requests_total requests\n\
        gocacheprog_modproxy_requests_total{result=\"cached\"} 30\n\
        gocacheprog_modproxy_requests_total{result=\"failed\"} 2\n\
        gocacheprog_modproxy_sent_bytes_total 2097152\n\
        gocacheprog_modproxy_upstream_requests_total 5\n\
        gocacheprog_modproxy_upstream_errors_total 2\n\
        gocacheprog_modproxy_offline 0\n\
        gocacheprog_modproxy_cache_bytes 1048576\n\
        other 7\n";

    #[test]
    fn the_proxy_whose_url_is_in_the_file_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let ask = |directory| ask(directory, Instant::now() + TIMEOUT);
        assert_eq!(ask(dir.path()), None, "none runs");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::fs::create_dir(dir.path().join("nix-gocacheprog-modproxy")).unwrap();
        std::fs::write(dir.path().join(URL_FILE), format!("http://{address}\n")).unwrap();
        let answering = std::thread::Builder::new().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1000];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /metrics "));
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n{METRICS}").unwrap();
        });
        let found = ask(dir.path()).unwrap();
        answering.unwrap().join().unwrap();
        assert_eq!((found.requests["cached"], found.cache_bytes), (30, Some(1 << 20)));
        assert_eq!(ask(dir.path()), None, "it has ended");
        assert_eq!(
            found.text(),
            format!(
                "module proxy http://{address}, up 0 s: 32 requests, 30 from the cache, 2 failed; 2.0 MiB sent, 0 B downloaded, \
                 1.0 MiB kept; 2 of 5 requests to upstreams failed\n"
            )
        );
    }

    #[test]
    fn a_proxy_that_never_ends_its_answer_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        std::fs::create_dir(dir.path().join("nix-gocacheprog-modproxy")).unwrap();
        std::fs::write(dir.path().join(URL_FILE), format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let answering = std::thread::Builder::new().spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(b"x").is_ok() {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        assert_eq!(ask(dir.path(), Instant::now() + Duration::from_millis(100)), None);
        answering.unwrap().join().unwrap();
    }

    #[test]
    fn an_address_of_another_machine_is_not_asked() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        std::fs::create_dir(dir.path().join("nix-gocacheprog-modproxy")).unwrap();
        std::fs::write(dir.path().join(URL_FILE), format!("http://{}", listener.local_addr().unwrap())).unwrap();
        assert_eq!(ask(dir.path(), Instant::now() + TIMEOUT), None);
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
