use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cacheprog_remote::credentials::CredentialsSource;
use cacheprog_remote::{Engine, EngineError};

use crate::fake_engine::{Behavior, FakeEngine, ok, s3_error, status};
use crate::{put, read, s3, s3_settings, settings, source, variant};

fn write(path: &Path, key_id: &str) {
    let text = format!("[default]\naws_access_key_id = {key_id}\naws_secret_access_key = swordfish\n");
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn an_s3_request_has_what_its_signature_names() {
    let server = FakeEngine::start(|_| ok(b"x"));
    read(&s3(&server), Some(0..1)).unwrap();
    put(&s3(&server), b"hello").unwrap();
    let requests = server.requests();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(requests[0].header("x-amz-content-sha256"), empty);
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(requests[1].header("x-amz-content-sha256"), hello);
    for request in requests {
        assert_eq!(request.path, "/b-1/go/o/0a");
        assert_eq!(request.header("host"), server.address.to_string());
        assert_eq!(request.header("x-amz-security-token"), "secret-session_token");
        let names = "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token, Signature=";
        let authorization = request.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=secret-access_key_id/"), "{authorization}");
        assert!(
            authorization.contains("/us-east-1/s3/aws4_request, ") && authorization.contains(names),
            "{authorization}"
        );
        for header in ["if-none-match", "x-amz-checksum-sha256", "content-md5", "transfer-encoding", "expect"] {
            assert_eq!(request.header(header), "", "{header}");
        }
    }
}

#[test]
fn a_server_gets_a_token_or_a_login() {
    let server = FakeEngine::start(|_| ok(b"x"));
    let url = format!("http://{}/", server.address);
    let only = |wanted: &'static [&'static str]| {
        CredentialsSource::from_variables(move |name| wanted.contains(&name).then(|| name.to_owned()))
    };
    read(&Engine::new(&settings(&url, only(&["TOKEN"]))), None).unwrap();
    read(&Engine::new(&settings(&url, only(&["USERNAME", "PASSWORD"]))), None).unwrap();
    read(&Engine::new(&settings(&url, CredentialsSource::default())), None).unwrap();
    let sent: Vec<_> = server.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(sent, ["Bearer TOKEN", "Basic VVNFUk5BTUU6UEFTU1dPUkQ=", ""]);
}

#[test]
fn credentials_that_expired_are_read_again_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, "OLD");
    let server = FakeEngine::start(|request| match request.header("authorization") {
        header if header.contains("OLD") => s3_error(400, "ExpiredToken"),
        _ => ok(b"x"),
    });
    let mut source = CredentialsSource::default();
    source.file = Some(file.clone());
    let engine = Engine::new(&s3_settings(&server, source));
    assert_eq!(variant(read(&engine, None)), "Expired");
    assert_eq!(server.requests().len(), 1, "the file has no others");
    write(&file, "NEW");
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert_eq!(server.requests().len(), 2, "the next request reads them before it is sent");
    write(&file, "OLD");
    let engine = Engine::new(&s3_settings(&server, {
        let mut source = CredentialsSource::default();
        source.file = Some(file);
        source
    }));
    assert_eq!(variant(read(&engine, None)), "Expired");
}

#[test]
fn new_credentials_are_found_within_one_request() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    write(&file, "OLD");
    let rotated = file.clone();
    let server = FakeEngine::start(move |request| match request.earlier {
        0 => ok(b"x"),
        _ if request.header("authorization").contains("OLD") => {
            write(&rotated, "NEW"); // before the answer
            s3_error(403, "InvalidAccessKeyId")
        }
        _ => ok(b"y"),
    });
    let mut source = CredentialsSource::default();
    source.file = Some(file);
    let engine = Engine::new(&s3_settings(&server, source));
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert_eq!(read(&engine, None).unwrap(), b"y");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_token_that_is_denied_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("credentials");
    let write = |token: &str| {
        fs::write(&file, format!("[default]\ntoken = {token}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    };
    write("old");
    let server = FakeEngine::start(|request| match request.header("authorization") {
        "Bearer new" => ok(b"x"),
        _ if request.earlier == 0 => ok(b"x"),
        _ => status(401, ""),
    });
    let mut source = CredentialsSource::default();
    source.file = Some(file.clone());
    let engine = Engine::new(&settings(&format!("http://{}/", server.address), source));
    read(&engine, None).unwrap();
    assert_eq!(variant(read(&engine, None)), "Denied");
    write("new");
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_credentials_file_that_cannot_be_used_ends_the_request_before_it_is_sent() {
    let server = FakeEngine::start(|_| ok(b"x"));
    let mut source = CredentialsSource::default();
    source.file = Some("/nonexistent/credentials".into());
    let error = read(&Engine::new(&s3_settings(&server, source)), None).unwrap_err();
    assert!(matches!(error, EngineError::Credentials(_)) && !error.is_fault_of_engine());
    assert!(server.requests().is_empty());
}

#[test]
fn nothing_that_is_printed_has_a_credential() {
    let echo = |request: &crate::fake_engine::Request| {
        let sent: Vec<_> = request.headers.values().cloned().collect();
        s3_error(403, &format!("{}</Code><Message>{}</Message><Code>", "AccessDenied", sent.join(" ")))
    };
    let server = FakeEngine::start(echo);
    let engine = s3(&server);
    let http = Engine::new(&settings(&format!("http://{}/", server.address), source()));
    let mut printed = format!("{engine:?} {http:?} {:?}", s3_settings(&server, source()));
    for engine in [&engine, &http] {
        for error in [read(engine, None).unwrap_err(), put(engine, b"x").unwrap_err()] {
            printed += &format!("{error} {error:?}");
        }
    }
    let lost = FakeEngine::start(|_| Behavior::Close);
    let other = FakeEngine::start(|_| status(418, "x"));
    for server in [lost, other] {
        let error = read(&s3(&server), None).unwrap_err();
        printed += &format!("{error} {error:?}");
    }
    printed += &format!("{engine:?} {http:?}");
    assert!(
        !printed.contains("secret-") && !printed.contains("Signature=") && !printed.contains("c2VjcmV0"),
        "{printed}"
    );
}
