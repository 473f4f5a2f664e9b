//! Upstreams with TLS: certificates that are not to be trusted, handshakes that fail, and where passwords go.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64_simd::STANDARD;
use modproxy::settings::{Settings, Timeouts};
use rustls::crypto::ring::{default_provider, sign::any_eddsa_type};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, SignatureScheme, StreamOwned};

use crate::fake_upstream::Upstream;
use crate::{Response, get, go_mod, settings, start, whole};

const MOD: &str = "a.test/@v/v1.0.0.mod";

/// A key of Ed25519 in PKCS #8 (RFC 8410), by its number.
fn key(number: u8) -> PrivateKeyDer<'static> {
    let head = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    PrivatePkcs8KeyDer::from([head.as_slice(), &[number; 32]].concat()).into()
}

/// An element of DER with this tag.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let length = match content.len() {
        0..0x80 => vec![length[7]],
        0x80..0x100 => vec![0x81, length[7]],
        _ => vec![0x82, length[6], length[7]],
    };
    [&[tag], length.as_slice(), &content].concat()
}

/// A certificate that is signed by itself (RFC 5280), for these names, up to the end of this year.
fn certificate(key_number: u8, hosts: &[&str], last_year: u8) -> Vec<u8> {
    const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
    const ALT_NAMES: &[u8] = b"\x06\x03\x55\x1d\x11";
    let key = any_eddsa_type(&PrivatePkcs8KeyDer::from(key(key_number).secret_der())).unwrap();
    let hosts = hosts.iter().map(|host| match host.parse::<std::net::Ipv4Addr>() {
        Ok(address) => der(0x87, &[&address.octets()]),
        Err(_) => der(0x82, &[host.as_bytes()]),
    });
    let alt_names = der(0x30, &[ALT_NAMES, &der(0x04, &[&der(0x30, &[&hosts.collect::<Vec<_>>().concat()])])]);
    let last = format!("{last_year}1231235959Z");
    let tbs = der(
        0x30,
        &[
            &der(0xa0, &[b"\x02\x01\x02"]), // version 3
            b"\x02\x01\x01",
            ED25519,
            &der(0x30, &[]), // the issuer, and the subject below
            &der(0x30, &[&der(0x17, &[b"000101000000Z"]), &der(0x17, &[last.as_bytes()])]),
            &der(0x30, &[]),
            &key.public_key().unwrap(),
            &der(0xa3, &[&der(0x30, &[&alt_names])]),
        ],
    );
    let signature = key.choose_scheme(&[SignatureScheme::ED25519]).unwrap().sign(&tbs).unwrap();
    der(0x30, &[&tbs, ED25519, &der(0x03, &[b"\0", &signature])])
}

/// A server with TLS that sends the same to everyone, and the heads of the requests that it got.
struct TlsServer(SocketAddr, Arc<Mutex<Vec<String>>>);

impl TlsServer {
    fn start(certificate: Vec<u8>, response: String) -> Self {
        let config =
            ServerConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.into()], key(1)).unwrap();
        let (config, heads) = (Arc::new(config), Arc::default());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self(listener.local_addr().unwrap(), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream.unwrap());
                let mut head = vec![0; 4096];
                let Ok(length @ 1..) = stream.read(&mut head) else { continue };
                heads.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).to_ascii_lowercase());
                drop(stream.write_all(response.as_bytes()));
                stream.conn.send_close_notify();
                drop(stream.flush());
            }
        });
        server
    }

    fn heads(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }
}

fn good() -> Vec<u8> {
    certificate(1, &["127.0.0.1", "localhost"], 49)
}

fn a_file() -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{}", "module a.test\n")
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: {to}/x\r\n\r\n")
}

/// A request by a proxy that trusts this certificate.
fn get_trusting(trusted: &[u8], list: &str) -> Response {
    let dir = tempfile::tempdir().unwrap();
    get(start(Settings { certificates: Some(pem(dir.path(), trusted)), ..settings(list, dir.path()) }), MOD)
}

fn pem(dir: &Path, certificate: &[u8]) -> std::path::PathBuf {
    let text = STANDARD.encode_to_string(certificate);
    let file = dir.join("trusted.pem");
    fs::write(&file, format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")).unwrap();
    file
}

/// The text of the error for the go command.
#[track_caller]
fn error(response: Response) -> String {
    let Response::Whole(502, message) = response else { panic!("{response:?}") };
    String::from_utf8(message).unwrap()
}

#[test]
fn only_a_valid_certificate_of_the_host_is_trusted() {
    let get_with = |server: Vec<u8>, trusted: &[u8]| {
        let server = TlsServer::start(server, a_file());
        let got = get_trusting(trusted, &format!("https://{}", server.0));
        (got, server.heads().len())
    };
    assert_eq!(get_with(good(), &good()), (whole(&go_mod("a.test")), 1));
    let other_host = certificate(1, &["other.test", "127.0.0.2"], 49);
    let expired = certificate(1, &["127.0.0.1"], 20);
    for (server, trusted, reason) in [
        (other_host.clone(), other_host, "not valid for name"),
        (expired.clone(), expired, "expired"),
        (good(), certificate(2, &["127.0.0.1"], 49), "BadSignature"),
    ] {
        let (got, requests) = get_with(server, &trusted);
        let message = error(got);
        assert!(message.contains(reason) && requests == 0, "{message}");
    }
}

#[test]
fn without_trusted_certificates_no_server_is_trusted() {
    let server = TlsServer::start(good(), a_file());
    let url = format!("https://{}", server.0);
    let dir = tempfile::tempdir().unwrap();
    for certificates in [None, Some(dir.path().join("none")), Some(dir.path().to_owned())] {
        let settings = Settings { certificates, ..settings(&url, dir.path()) };
        error(get(start(settings), MOD));
    }
    assert!(server.heads().is_empty());
}

#[test]
fn a_server_without_tls_at_an_address_with_tls_is_an_error() {
    let upstream = Upstream::with_files(&[(MOD, go_mod("a.test"))]);
    error(get_trusting(&good(), &upstream.url().replace("http:", "https:")));
}

#[test]
fn a_handshake_that_stops_or_breaks_off_is_an_error() {
    let serve = |answers: fn(TcpStream)| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || listener.incoming().for_each(|stream| answers(stream.unwrap())));
        let dir = tempfile::tempdir().unwrap();
        let second = Duration::from_secs(1);
        let retry_delay = Duration::from_millis(1);
        let timeouts = Timeouts { connect: second, response: second, read: second, retry_delay, ..Timeouts::default() };
        error(get(start(Settings { timeouts, ..settings(&url, dir.path()) }), MOD))
    };
    serve(|stream| std::thread::sleep(Duration::from_secs(if stream.peer_addr().is_ok() { 20 } else { 0 })));
    serve(drop);
    serve(|mut stream| drop((stream.read(&mut [0; 100]), stream.write_all(b"\x16\x03\x03\x40\x00"))));
}

#[test]
fn no_redirect_leads_from_tls_to_plain_http() {
    let upstream = Upstream::with_files(&[("x", go_mod("a.test"))]);
    let server = TlsServer::start(good(), redirect(&upstream.url()));
    error(get_trusting(&good(), &format!("https://{}", server.0)));
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_password_goes_to_the_host_of_its_url_alone() {
    let far = TlsServer::start(good(), a_file());
    for (host, is_sent) in [("127.0.0.1", true), ("localhost", false)] {
        let near = TlsServer::start(good(), redirect(&format!("https://{host}:{}", far.0.port())));
        assert_eq!(get_trusting(&good(), &format!("https://me:secret@{}", near.0)), whole(&go_mod("a.test")));
        let has_password = |head: Option<&String>| head.unwrap().contains("authorization: basic");
        assert!(has_password(near.heads().last()));
        assert_eq!(has_password(far.heads().last()), is_sent, "{host}");
    }
    // One that the upstream names for another host is the only one that is sent there, as the go command does it.
    let near = TlsServer::start(good(), redirect(&format!("https://you:theirs@localhost:{}", far.0.port())));
    assert_eq!(get_trusting(&good(), &format!("https://me:secret@{}", near.0)), whole(&go_mod("a.test")));
    let theirs = STANDARD.encode_to_string("you:theirs").to_ascii_lowercase();
    assert!(far.heads().last().unwrap().contains(&format!("authorization: basic {theirs}\r\n")));
}
