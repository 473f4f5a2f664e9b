use cacheprog_remote::EngineError;

use crate::fake_engine::{Behavior, FakeEngine, ok, s3_error, status};
use crate::{http, impatient, put, read, s3, s3_settings, settings, variant};

#[test]
fn answers_of_an_s3_engine_become_errors_that_name_the_fix() {
    for (answer, code, expected, fix) in [
        (404, "NoSuchKey", "Missing", "does not exist"),
        (404, "NoSuchBucket", "NoBucket", "create it"),
        (403, "AccessDenied", "Denied", "right"),
        (403, "SignatureDoesNotMatch", "WrongKey", "secret access key"),
        (403, "InvalidAccessKeyId", "WrongKey", "access key id"),
        (400, "ExpiredToken", "Expired", "new ones"),
        (403, "RequestTimeTooSkewed", "Clock", "set the clock"),
        (400, "AuthorizationHeaderMalformed", "Region", "set the region"),
        (416, "InvalidRange", "Body", "shorter"),
        (400, "XAmzContentSHA256Mismatch", "Digest", "file changed"),
        (501, "NotImplemented", "Protocol", "URL"),
        (503, "SlowDown", "Unavailable", "503 SlowDown"),
        (507, "", "Unavailable", "507"),
    ] {
        let server = FakeEngine::start(move |_| s3_error(answer, code));
        let error = read(&s3(&server), Some(0..9)).unwrap_err();
        assert!(error.to_string().contains(fix), "{answer} {code}: {error}");
        assert!(error.to_string().contains(&format!("{}/b-1/go/o/0a", server.address)), "{error}");
        let is_fault = matches!(expected, "Unavailable" | "Protocol");
        assert_eq!(error.is_fault_of_engine(), is_fault, "{error}");
        assert_eq!(variant::<()>(Err(error)), expected, "{answer} {code}");
    }
}

#[test]
fn a_denied_read_is_likely_a_missing_object_once_another_read_had_success() {
    let server = FakeEngine::start(|request| match request.earlier {
        1 => ok(b"x"),
        _ => s3_error(403, "AccessDenied"),
    });
    let engine = s3(&server);
    assert!(!read(&engine, None).unwrap_err().is_missing());
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert!(read(&engine, None).unwrap_err().is_missing());
    assert!(!put(&engine, b"x").unwrap_err().is_missing());
}

#[test]
fn answers_of_an_http_server_become_errors_that_name_the_fix() {
    for (answer, expected, fix) in [
        (401, "Denied", "credentials"),
        (403, "Denied", "right"),
        (409, "NoDirectory", "create_full_put_path"),
        (404, "NoDirectory", "create_full_put_path"),
        (413, "TooLarge", "client_max_body_size"),
        (405, "Unsupported", "405"),
        (400, "Protocol", "URL"),
    ] {
        let server = FakeEngine::start(move |_| status(answer, "<html>"));
        let error = put(&http(&server), b"x").unwrap_err();
        assert!(error.to_string().contains(fix), "{answer}: {error}");
        assert_eq!(variant::<()>(Err(error)), expected, "{answer}");
    }
}

#[test]
fn the_clock_is_compared_with_the_engines() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".to_owned();
    let body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>".to_vec();
    let server = FakeEngine::start(move |_| Behavior::Send(403, date.clone(), body.clone()));
    match read(&s3(&server), None).unwrap_err() {
        EngineError::Clock { difference: Some(seconds), .. } => assert!(seconds > 1_000_000_000),
        other => panic!("{other}"),
    }
}

#[test]
fn no_server_is_unavailable_and_a_silent_one_slow() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let engine = cacheprog_remote::Engine::new(&settings(&url, Default::default()));
    assert_eq!(variant(read(&engine, None)), "Unavailable");
    let server = FakeEngine::start(|_| Behavior::Hang);
    assert_eq!(variant(read(&impatient(&server), None)), "Slow");
    let unknown = cacheprog_remote::Engine::new(&settings("https://host.invalid/", Default::default()));
    assert_eq!(variant(read(&unknown, None)), "Unavailable");
}

#[test]
fn a_server_of_another_protocol_is_told_as_such() {
    let garbage = FakeEngine::start(|_| Behavior::Raw(b"SSH-2.0-x\r\n".to_vec()));
    assert_eq!(variant(read(&http(&garbage), None)), "Protocol");
}

#[test]
fn an_endless_head_or_error_body_is_not_read_on() {
    let endless = [b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'a'; 1 << 20]].concat();
    let server = FakeEngine::start(move |_| Behavior::Raw(endless.clone()));
    assert_eq!(variant(read(&http(&server), None)), "Protocol");
    let long = [b"HTTP/1.1 403 x\r\nContent-Length: 100000000\r\n\r\n".to_vec(), vec![b'a'; 1 << 20]].concat();
    let server = FakeEngine::start(move |_| Behavior::Raw(long.clone()));
    assert_eq!(variant(read(&s3(&server), None)), "Denied");
}

#[test]
fn a_region_of_the_settings_is_used_for_signatures() {
    let server = FakeEngine::start(|_| ok(b"x"));
    let mut settings = s3_settings(&server, crate::source());
    settings.region = Some("garage".into());
    read(&cacheprog_remote::Engine::new(&settings), None).unwrap();
    assert!(server.requests()[0].header("authorization").contains("/garage/s3/aws4_request"));
}
