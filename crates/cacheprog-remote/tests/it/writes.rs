use std::fs::File;
use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use cacheprog_remote::engine::{Content, PutBody};
use cacheprog_remote::{Engine, ObjectName};
use sha2::{Digest, Sha256};

use crate::fake_engine::{FakeEngine, ok, s3_error, status};
use crate::{http, keys_without_token, name, put, s3, s3_settings, variant};

#[test]
fn a_put_sends_bytes_or_a_part_of_a_file_with_its_length() {
    let server = FakeEngine::start(|_| status(204, ""));
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[&[7; 100_000][..], b"more"].concat()).unwrap();
    let sha256 = Sha256::digest([7; 100_000]).into();
    let engine = s3(&server);
    engine.put(&name(), &PutBody { content: Content::File(&file, 100_000), sha256 }).unwrap();
    put(&engine, b"").unwrap();
    put(&http(&server), b"hello").unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].body, [7; 100_000]);
    assert_eq!((requests[1].header("content-length"), requests[1].method.as_str()), ("0", "PUT"));
    assert_eq!((requests[2].path.as_str(), &requests[2].body[..]), ("/go/o/0a", &b"hello"[..]));
    assert_eq!(engine.counters().bytes_up, 100_000);
}

#[test]
fn a_file_that_became_shorter_is_the_files_fault() {
    let server = FakeEngine::start(|_| ok(b""));
    let engine = s3(&server);
    let empty: File = tempfile::tempfile().unwrap();
    let error = engine.put(&name(), &PutBody { content: Content::File(&empty, 10), sha256: [0; 32] }).unwrap_err();
    assert!(!error.is_fault_of_engine());
    assert_eq!(variant::<()>(Err(error)), "File");
}

#[test]
fn a_delete_of_what_is_not_there_is_no_error() {
    let server = FakeEngine::start(|request| match request.earlier {
        0 => status(204, ""),
        1 => s3_error(404, "NoSuchKey"),
        _ => s3_error(404, "NoSuchBucket"),
    });
    let engine = s3(&server);
    engine.delete(&name()).unwrap();
    engine.delete(&name()).unwrap();
    assert_eq!(variant(engine.delete(&name())), "NoBucket");
    assert!(server.requests().iter().all(|request| request.method == "DELETE" && request.path == "/b-1/go/o/0a"));
}

#[test]
fn a_listing_has_its_pages() {
    let page = |objects: &str, end: &str| format!("<ListBucketResult>{objects}{end}</ListBucketResult>");
    let object = |key: &str| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>1970-01-01T00:01:00.000Z</LastModified><Size>7</Size></Contents>"
        )
    };
    let next = "<IsTruncated>true</IsTruncated><NextContinuationToken>a/b+c=</NextContinuationToken>";
    let pages = [page(&object("go/o/0a"), next), page(&object("go/o/0b"), "<IsTruncated>false</IsTruncated>")];
    let server = FakeEngine::start(move |request| ok(pages[request.earlier].as_bytes()));
    let engine = Engine::new(&s3_settings(&server, keys_without_token()));
    let first = engine.list("o/", None).unwrap();
    assert_eq!((first.objects[0].name.clone(), first.objects[0].size), (name(), 7));
    assert_eq!(first.objects[0].modified, UNIX_EPOCH + Duration::from_secs(60));
    let second = engine.list("o/", first.continuation.as_deref()).unwrap();
    assert_eq!(second.objects[0].name, ObjectName::parse("o/0b").unwrap());
    assert_eq!(second.continuation, None);
    let paths: Vec<_> = server.requests().iter().map(|request| request.path.clone()).collect();
    let query = "encoding-type=url&list-type=2&prefix=go%2Fo%2F";
    assert_eq!(paths, [format!("/b-1?{query}"), format!("/b-1?continuation-token=a%2Fb%2Bc%3D&{query}")]);
}

#[test]
fn a_listing_of_another_form_or_of_a_plain_server_is_an_error() {
    let server = FakeEngine::start(|_| ok(b"<html></html>"));
    assert_eq!(variant(s3(&server).list("", None)), "Protocol");
    assert_eq!(variant(http(&server).list("", None)), "Unsupported");
    let server = FakeEngine::start(|_| ok(&[b' '; (2 << 20) + 1]));
    assert_eq!(variant(s3(&server).list("", None)), "TooLarge");
}
