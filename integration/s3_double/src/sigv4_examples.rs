//! The four examples of AWS' page on `SigV4` for S3 (the key, bucket and signatures are AWS' own), and each of them falsified.

use super::*;
use crate::clock::moved;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const WELCOME: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";

fn settings() -> Settings {
    let key = "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY:all";
    Settings { keys: vec![key.parse().unwrap()], ..Settings::new("examplebucket", "us-east-1") }
}

/// The check at so many seconds after the examples' time.
fn checked(request: &Request, seconds: i64) -> Result<(), String> {
    let start = humantime::parse_rfc3339("2013-05-24T00:00:00Z").unwrap();
    let times = Times { signing: moved(start, seconds), started: start, store: start };
    verify(request, &settings(), times).map(|_| ()).map_err(|error| error.code)
}

/// A request of the page: its headers beside host, date and the body's hash, and its signature.
fn example(line: (&str, &str), more: &[(&str, &str)], body: &[u8], signature: &str) -> Request {
    let mut headers = vec![
        ("host", "examplebucket.s3.amazonaws.com"),
        ("x-amz-content-sha256", if body.is_empty() { EMPTY } else { WELCOME }),
        ("x-amz-date", "20130524T000000Z"),
    ];
    headers.extend(more);
    headers.sort_unstable();
    let signed: Vec<_> = headers.iter().map(|header| header.0).collect();
    let scope = "20130524/us-east-1/s3/aws4_request";
    let signed = signed.join(";");
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/{scope},SignedHeaders={signed},Signature={signature}"
    );
    headers.push(("authorization", &authorization));
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut request = Request::new(line.0, line.1, headers);
    request.body = body.to_vec();
    request
}

fn examples() -> [Request; 4] {
    let date = ("date", "Fri, 24 May 2013 00:00:00 GMT");
    [
        example(
            ("GET", "/test.txt"),
            &[("range", "bytes=0-9")],
            b"",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        example(
            ("PUT", "/test$file.text"),
            &[date, ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            b"Welcome to Amazon S3.",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        example(("GET", "/?lifecycle"), &[], b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        example(
            ("GET", "/?prefix=J&max-keys=2"),
            &[],
            b"",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ]
}

#[test]
fn the_examples_of_aws_are_right_within_fifteen_minutes() {
    for request in &examples() {
        assert_eq!([checked(request, 900), checked(request, -900)], [Ok(()), Ok(())], "{request:?}");
        for seconds in [901, -901] {
            assert_eq!(checked(request, seconds), Err("RequestTimeTooSkewed".to_owned()));
        }
    }
}

/// An example with one thing changed.
fn falsified(number: usize, change: impl Fn(&mut Request)) -> String {
    let mut request = examples().into_iter().nth(number).unwrap();
    change(&mut request);
    checked(&request, 0).unwrap_err()
}

fn replace(request: &mut Request, header: &str, from: &str, to: &str) {
    let header = request.headers.iter_mut().find(|found| found.0 == header).unwrap();
    assert!(header.1.contains(from), "{header:?}");
    header.1 = header.1.replace(from, to);
}

#[test]
fn whatever_is_signed_cannot_be_changed() {
    let wrong = "SignatureDoesNotMatch";
    assert_eq!(falsified(0, |request| request.method = "DELETE".to_owned()), wrong);
    assert_eq!(falsified(0, |request| request.path = "/test.txt2".to_owned()), wrong);
    assert_eq!(falsified(3, |request| request.query[0].1 = "K".to_owned()), wrong);
    assert_eq!(falsified(3, |request| request.query.truncate(1)), wrong);
    assert_eq!(falsified(0, |request| replace(request, "range", "9", "8")), wrong);
    assert_eq!(falsified(0, |request| replace(request, "host", "example", "other")), wrong);
    assert_eq!(falsified(0, |request| replace(request, "x-amz-date", "000Z", "001Z")), wrong);
    assert_eq!(falsified(0, |request| replace(request, "authorization", "db41", "db42")), wrong);
    assert_eq!(falsified(1, |request| replace(request, "x-amz-content-sha256", "44ce", "44cf")), wrong);
}

#[test]
fn each_part_is_checked_by_itself() {
    let scope = |from: &str, to: &str| falsified(0, |request| replace(request, "authorization", from, to));
    assert_eq!(scope("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN8EXAMPLE"), "InvalidAccessKeyId");
    assert_eq!(scope("us-east-1", "us-east-2"), "AuthorizationHeaderMalformed");
    assert_eq!(scope("/s3/", "/sts/"), "AuthorizationHeaderMalformed");
    assert_eq!(scope("20130524/", "20130523/"), "AuthorizationHeaderMalformed");
    assert_eq!(scope("host;range", "range;host"), "AuthorizationHeaderMalformed");
    assert_eq!(scope("host;", ""), "AccessDenied");
    assert_eq!(scope(";x-amz-date", ""), "AccessDenied");
    assert_eq!(falsified(1, |request| request.body[0] = b'w'), "XAmzContentSHA256Mismatch");
    let without = |name: &str| falsified(0, |request| request.headers.retain(|header| header.0 != name));
    assert_eq!([without("authorization"), without("x-amz-date")], ["AccessDenied", "AccessDenied"]);
    assert_eq!(without("x-amz-content-sha256"), "InvalidRequest");
    let token = ("x-amz-security-token".to_owned(), "t".to_owned());
    assert_eq!(falsified(0, |request| request.headers.push(token.clone())), "InvalidToken");
    let grant = ("x-amz-acl".to_owned(), "public-read".to_owned());
    assert_eq!(falsified(0, |request| request.headers.push(grant.clone())), "AccessDenied");
}
