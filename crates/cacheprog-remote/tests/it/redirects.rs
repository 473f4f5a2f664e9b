use cacheprog_remote::Engine;

use crate::fake_engine::{Behavior, FakeEngine, ok, redirect, s3_error, status};
use crate::{put, read, s3, settings, source, variant};

/// A server that sends every request elsewhere.
fn sends_to(answer: u16, location: String) -> FakeEngine {
    FakeEngine::start(move |_| redirect(answer, &location))
}

#[test]
fn redirects_are_followed_and_nothing_secret_goes_along() {
    for answer in [301, 302, 307, 308] {
        let other = FakeEngine::start(|_| ok(b"x"));
        let server = sends_to(answer, format!("http://{}/elsewhere?a=b", other.address));
        let http = Engine::new(&settings(&format!("http://{}/", server.address), source()));
        for engine in [&http, &s3(&server)] {
            assert_eq!(read(engine, Some(0..1)).unwrap(), b"x");
            put(engine, b"hello").unwrap();
        }
        assert!(server.requests().iter().all(|request| !request.header("authorization").is_empty()));
        let requests = other.requests();
        assert_eq!(requests.len(), 4);
        for request in &requests {
            assert_eq!(request.path, "/elsewhere?a=b");
            assert!(!format!("{:?}", request.headers).contains("secret-"), "{request:?}");
            let leaked: Vec<_> =
                request.headers.keys().filter(|name| name.starts_with("x-amz") || *name == "authorization").collect();
            assert!(leaked.is_empty(), "{leaked:?}");
        }
        assert_eq!((requests[0].header("range"), requests[1].method.as_str()), ("bytes=0-0", "PUT"));
        assert_eq!(requests[1].body, b"hello");
    }
}

#[test]
fn an_authorization_stays_within_its_server_and_does_not_come_back_from_another() {
    let server = FakeEngine::start(|request| match request.path.as_str() {
        "/o/0a" => redirect(307, "/same"),
        _ => ok(b"x"),
    });
    let engine = Engine::new(&settings(&format!("http://{}/", server.address), source()));
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert_eq!(server.requests()[1].header("authorization"), "Bearer secret-token");

    let back = std::sync::Arc::new(std::sync::OnceLock::<String>::new());
    let address = std::sync::Arc::clone(&back);
    let foreign = FakeEngine::start(move |_| redirect(307, address.get().unwrap()));
    let away = format!("http://{}/", foreign.address);
    let server = FakeEngine::start(move |request| match request.path.as_str() {
        "/o/0a" => redirect(307, &away),
        _ => ok(b"x"),
    });
    back.set(format!("http://{}/private", server.address)).unwrap();
    let engine = Engine::new(&settings(&format!("http://{}/", server.address), source()));
    assert_eq!(read(&engine, None).unwrap(), b"x");
    assert_eq!(server.requests()[1].header("authorization"), "");
}

#[test]
fn redirects_end_after_three() {
    let server = FakeEngine::start(|request| redirect(307, &format!("/{}", request.earlier)));
    assert_eq!(variant(read(&s3(&server), None)), "Protocol");
    assert_eq!(server.requests().len(), 4);
    for location in ["", "ftp://x/", "http://user:password@127.0.0.1/"] {
        let server = sends_to(302, location.to_owned());
        assert_eq!(variant(read(&s3(&server), None)), "Protocol", "{location}");
    }
    let server = FakeEngine::start(|_| status(303, ""));
    assert_eq!(variant(read(&s3(&server), None)), "Protocol");
}

#[test]
fn another_region_is_used_from_then_on() {
    let header = "x-amz-bucket-region: eu-west-1\r\n";
    let by_body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
    for (answer, headers, body) in [
        (301, header.to_owned(), "<Error><Code>PermanentRedirect</Code></Error>"),
        (307, format!("{header}Location: https://b-1.s3.eu-west-1.amazonaws.com/\r\n"), ""),
        (400, header.to_owned(), ""),
        (400, String::new(), by_body),
    ] {
        let server = FakeEngine::start(move |request| {
            if request.header("authorization").contains("/eu-west-1/") {
                return ok(b"x");
            }
            Behavior::Send(answer, headers.clone(), body.as_bytes().to_vec())
        });
        let engine = s3(&server);
        assert_eq!(read(&engine, None).unwrap(), b"x", "{answer}");
        assert_eq!(read(&engine, None).unwrap(), b"x");
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn an_engine_that_names_ever_other_regions_is_asked_twice() {
    let server = FakeEngine::start(|request| {
        Behavior::Send(400, format!("x-amz-bucket-region: r-{}\r\n", request.earlier), Vec::new())
    });
    assert_eq!(variant(read(&s3(&server), None)), "Region");
    assert_eq!(server.requests().len(), 2);
    let server = FakeEngine::start(|_| s3_error(400, "AuthorizationHeaderMalformed"));
    assert_eq!(variant(read(&s3(&server), None)), "Region");
    assert_eq!(server.requests().len(), 1);
}
