use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use base64_simd::STANDARD;
use cacheprog_remote::Engine;
use rustls::crypto::ring::{default_provider, sign::any_eddsa_type};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fake_engine::{FakeEngine, ok};
use crate::{read, settings, source, variant};

/// A key of Ed25519 in PKCS #8 (RFC 8410).
fn key() -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from(
        [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(), &[7; 32]].concat(),
    )
}

/// An element of DER with this tag.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u8::try_from(content.len() % 256).unwrap();
    let length = match content.len() {
        0..0x80 => vec![length],
        0x80..0x100 => vec![0x81, length],
        more => vec![0x82, u8::try_from(more / 256).unwrap(), length],
    };
    [&[tag], length.as_slice(), &content].concat()
}

/// A certificate for 127.0.0.1 that is signed by itself (RFC 5280).
fn certificate() -> Vec<u8> {
    const ED25519: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x70";
    let key = any_eddsa_type(&key()).unwrap();
    let names = der(0x04, &[&der(0x30, &[&der(0x87, &[&[127, 0, 0, 1]])])]);
    let extension = der(0x30, &[b"\x06\x03\x55\x1d\x11", &names]);
    let times = [der(0x17, &[b"000101000000Z"]), der(0x17, &[b"491231235959Z"])].concat();
    let (version, number) = (b"\xa0\x03\x02\x01\x02", b"\x02\x01\x01");
    let (empty, spki) = (der(0x30, &[]), key.public_key().unwrap());
    let extensions = der(0xa3, &[&der(0x30, &[&extension])]);
    let tbs = der(0x30, &[version, number, ED25519, &empty, &der(0x30, &[&times]), &empty, &spki, &extensions]);
    let signer = key.choose_scheme(&[rustls::SignatureScheme::ED25519]).unwrap();
    der(0x30, &[&tbs, ED25519, &der(0x03, &[&[0], &signer.sign(&tbs).unwrap()])])
}

/// A server that answers one request on each connection.
fn serve(stream: TcpStream, config: &Arc<ServerConfig>) -> std::io::Result<()> {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut tls = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
}

fn start() -> SocketAddr {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(builder.with_single_cert(vec![certificate().into()], key().into()).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            drop(serve(stream.unwrap(), &config)); // a client that does not trust it ends the connection
        }
    });
    address
}

fn engine(url: &str, certificates: Option<PathBuf>) -> Engine {
    let mut settings = settings(url, source());
    settings.connections.certificates = certificates;
    Engine::new(&settings)
}

#[test]
fn a_server_is_trusted_only_with_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trusted.pem");
    let pem = STANDARD.encode_to_string(certificate());
    let lines: Vec<_> = pem.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    fs::write(&file, format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n")))
        .unwrap();
    let url = format!("https://{}/", start());
    assert_eq!(read(&engine(&url, Some(file)), None).unwrap(), b"hello");
    let error = read(&engine(&url, None), None).unwrap_err();
    assert!(error.to_string().contains("certificate") && error.is_fault_of_engine(), "{error}");
    assert_eq!(variant::<()>(Err(error)), "Tls");
}

#[test]
fn a_server_without_tls_at_an_https_url_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap_or_default();
    });
    assert_eq!(variant(read(&engine(&url, None), None)), "Tls");
}

#[test]
fn nothing_is_sent_from_tls_to_a_server_without() {
    let plain = FakeEngine::start(|_| ok(b"x"));
    let url = format!("https://{}/", plain.address);
    // The server closes the connection: it does not understand the handshake.
    read(&engine(&url, None), None).unwrap_err();
    assert!(plain.requests().is_empty());
}
