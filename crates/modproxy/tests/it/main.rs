//! The proxy over its socket, between a test in the role of the go command and a fake upstream.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests take the roles of go commands and of failing upstreams")]

mod build_proxy; // the proxy of one build, as a process
mod caching; // which files are cached, and which of them are served
mod fake_upstream; // the upstream of all tests
mod file_descriptors; // a process without free file descriptors
mod goproxy_list; // GOPROXY's separators, passwords, directories, HTTP proxies
mod hostile_bodies; // bodies without end, slow ones, wrong framing
mod hostile_heads; // wrong status lines and headers
mod redirects; // upstreams that send the proxy elsewhere
mod rejected_responses; // responses that are not accepted as a file
mod service; // health, metrics, the log of requests, a proxy without upstreams
mod store_limits; // how much an embedded store keeps
mod tls; // certificates, handshakes, passwords
mod upstream_faults; // broken connections, timeouts, wrong contents

use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64_simd::STANDARD;
use modproxy::Proxy;
use modproxy::settings::{CacheBackend, Settings, Timeouts};
use proto::id::hex;
use sha2::{Digest, Sha256};
use store::{Limits, Size};

/// What the go command receives.
#[derive(PartialEq, Eq)]
enum Response {
    /// A complete response.
    Whole(u16, Vec<u8>),
    /// A response that is cut off.
    Truncated,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(status, body) => {
                let begins = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
                write!(f, "Whole({status}, {} bytes: {begins:?})", body.len())
            }
            Self::Truncated => f.write_str("Truncated"),
        }
    }
}

fn whole(bytes: &[u8]) -> Response {
    Response::Whole(200, bytes.to_vec())
}

/// The status of a complete response.
fn status(response: &Response) -> Option<u16> {
    match response {
        Response::Whole(status, _) => Some(*status),
        Response::Truncated => None,
    }
}

/// Settings for a proxy with the upstreams `list` and a store in `dir`.
fn settings(list: &str, dir: &Path) -> Settings {
    Settings {
        list: list.to_owned(),
        cache: CacheBackend::Embedded(dir.join("store")),
        limits: Limits { max_size: None, max_age: None, min_free: Size::Bytes(0) }, // independent of the free space of this disk
        spool_dir: dir.to_owned(),
        timeouts: Timeouts { retry_delay: Duration::from_millis(5), ..Timeouts::default() },
        ..Settings::default()
    }
}

/// Starts a proxy; it ends with the test's process.
fn start(settings: Settings) -> SocketAddr {
    let proxy = Arc::new(Proxy::new(settings).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || modproxy::server::serve(&listener, &proxy, "", None));
    address
}

#[track_caller]
fn wait_until(is_true: impl Fn() -> bool) {
    let mut tries = 0..6000;
    while !is_true() {
        assert!(tries.next().is_some(), "not within a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn get(proxy: SocketAddr, path: &str) -> Response {
    read(&mut send_request(proxy, path))
}

/// Sends a request.
fn send_request(proxy: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(stream, "GET /{} HTTP/1.1\r\nHost: {proxy}\r\n\r\n", path.replace('!', "%21")).unwrap();
    BufReader::new(stream)
}

/// Reads a response, with the checks of net/http.
fn read(input: &mut BufReader<TcpStream>) -> Response {
    let mut line = || {
        let mut line = String::new();
        input.read_line(&mut line).ok().filter(|_| line.ends_with("\r\n"))?;
        Some(line.trim_end().to_owned())
    };
    let Some(first) = line() else { return Response::Truncated };
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    let mut length = None;
    loop {
        match line() {
            None => return Response::Truncated,
            Some(line) if line.is_empty() => break,
            Some(line) => length = line.strip_prefix("Content-Length: ").map(|n| n.parse().unwrap()).or(length),
        }
    }
    let mut body = Vec::new();
    let is_whole = match length {
        Some(length) => input.take(length).read_to_end(&mut body).is_ok() && body.len() as u64 == length,
        None => chunks(input, &mut body).is_some(),
    };
    if is_whole { Response::Whole(status, body) } else { Response::Truncated }
}

fn chunks(input: &mut BufReader<TcpStream>, body: &mut Vec<u8>) -> Option<()> {
    loop {
        let mut line = String::new();
        input.read_line(&mut line).ok()?;
        let size = u64::from_str_radix(line.trim_end(), 16).ok()?;
        let read = input.take(size).read_to_end(body).ok()?;
        input.read_exact(&mut [0; 2]).ok()?;
        if read as u64 != size {
            return None;
        }
        if size == 0 {
            return Some(());
        }
    }
}

/// The zip file of a module with one file of so many incompressible bytes.
fn packed(module: &str, version: &str, size: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("go.mod", go_mod(module)), ("data", noise(size))] {
        zip.start_file(format!("{module}@{version}/{name}"), stored).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn go_mod(module: &str) -> Vec<u8> {
    format!("module {module}\n").into_bytes()
}

fn info(version: &str) -> Vec<u8> {
    format!(r#"{{"Version":"{version}"}}"#).into_bytes()
}

/// The lines of go.sum for [`packed`] and [`go_mod`].
fn sums(module: &str, version: &str, size: usize) -> String {
    let line = |name: &str, bytes: &[u8]| format!("{}  {name}\n", hex(&Sha256::digest(bytes)));
    let h1 = |lines: &str| STANDARD.encode_to_string(Sha256::digest(lines));
    let names = ["data", "go.mod"].map(|name| format!("{module}@{version}/{name}"));
    let zip = h1(&(line(&names[0], &noise(size)) + &line(&names[1], &go_mod(module))));
    let own = h1(&line("go.mod", &go_mod(module)));
    format!("{module} {version} h1:{zip}\n{module} {version}/go.mod h1:{own}\n")
}

fn noise(size: usize) -> Vec<u8> {
    let blocks = (0..size.div_ceil(32) as u64).flat_map(|n| <[u8; 32]>::from(Sha256::digest(n.to_le_bytes())));
    blocks.take(size).collect()
}
