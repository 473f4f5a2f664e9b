//! AWS Signature Version 4 in the `Authorization` header, with the body's sha256. Pure: the time is an argument.
//!
//! Written after "Authenticating Requests: Using the Authorization Header" of the S3 API reference. The tests are AWS' published
//! suite (aws-sig-v4-test-suite) and the examples of that page.

use std::time::SystemTime;

use proto::id::hex;
use ring::hmac::{HMAC_SHA256, Key, Tag, sign};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// What is signed of a request.
#[derive(Debug)]
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a str,
    /// Escaped, from the first slash on.
    pub(crate) path: &'a str,
    /// Escaped: `key=value` pairs between `&`.
    pub(crate) query: &'a str,
    /// Headers to sign, in lower case; `host` and `x-amz-date` among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The sha256 of the body in hex.
    pub(crate) payload: &'a str,
}

/// When and where a signature holds.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    /// As [`timestamp`] writes it.
    pub(crate) time: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// A time as `20150830T123600Z`.
pub(crate) fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().replace(['-', ':'], "")
}

/// The value of the `Authorization` header.
pub(crate) fn authorization(key_id: &Secret, key: &Secret, scope: &Scope<'_>, request: &Unsigned<'_>) -> String {
    let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (*name, trimmed(value))).collect();
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let Unsigned { method, path, payload, .. } = request;
    let canonical = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{payload}", sorted(request.query));
    let day = scope.time.split('T').next().unwrap_or_default();
    let Scope { time, region, service } = scope;
    let place = format!("{day}/{region}/{service}/aws4_request");
    let digest = hex(&Sha256::digest(canonical.as_bytes()));
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{place}\n{digest}");
    let signature = hmac(&signing_key(key, &[day, region, service, "aws4_request"]), &to_sign);
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={}",
        key_id.expose(),
        hex(signature.as_ref())
    )
}

/// The key for one day, region and service.
fn signing_key(key: &Secret, parts: &[&str]) -> Key {
    let first = Key::new(HMAC_SHA256, format!("AWS4{}", key.expose()).as_bytes());
    parts.iter().fold(first, |key, part| Key::new(HMAC_SHA256, hmac(&key, part).as_ref()))
}

fn hmac(key: &Key, text: &str) -> Tag {
    sign(key, text.as_bytes())
}

/// Without spaces at the ends, and with one where there are more.
fn trimmed(value: &str) -> String {
    value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Pairs in the order of their keys; a key without a value gets `=`.
fn sorted(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    pairs.sort_unstable();
    pairs.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The token of the suite.
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflf\
        KD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+\
        xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// Method, path, query, headers beside host and date, signed names, signature.
    type Case<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

    #[test]
    fn signatures_are_those_of_the_published_suite() {
        let cases: &[Case<'_>] = &[
            ("GET", "/", "", &[], "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", "/", "", &[], "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "GET",
                "/",
                "Param2=value2&Param1=value1",
                &[],
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            ("GET", "/", "%E1%88%B4=bar", &[], "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
            (
                "POST",
                "/",
                "",
                &[("my-header1", "value1")],
                "my-header1;",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
        ];
        for (method, path, query, headers, names, signature) in cases {
            let fixed = [("x-amz-date", "20150830T123600Z"), ("host", "example.amazonaws.com")];
            let headers = [&fixed, *headers].concat();
            let request = Unsigned { method, path, query, headers: &headers, payload: EMPTY };
            assert_eq!(
                suite(&request),
                (format!("host;{names}x-amz-date"), (*signature).to_owned()),
                "{method} {query}"
            );
        }
    }

    #[test]
    fn a_session_token_is_signed_as_in_the_suite() {
        let fixed = [("x-amz-date", "20150830T123600Z"), ("host", "example.amazonaws.com")];
        let headers = [&fixed[..], &[("x-amz-security-token", TOKEN)]].concat();
        let request = Unsigned { method: "POST", path: "/", query: "", headers: &headers, payload: EMPTY };
        let signature = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead";
        assert_eq!(suite(&request), ("host;x-amz-date;x-amz-security-token".to_owned(), signature.to_owned()));
    }

    /// Signs as the suite does; returns the names of the signed headers, and the signature.
    fn suite(request: &Unsigned<'_>) -> (String, String) {
        let keys = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"].map(Secret::new);
        let scope = Scope { time: "20150830T123600Z", region: "us-east-1", service: "service" };
        let header = authorization(&keys[0], &keys[1], &scope, request);
        let begin = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=";
        let (names, signature) = header.strip_prefix(begin).unwrap().split_once(", Signature=").unwrap();
        (names.to_owned(), signature.to_owned())
    }

    #[test]
    fn signatures_are_those_of_the_examples_for_s3() {
        let written = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
        assert_eq!(hex(&Sha256::digest(b"Welcome to Amazon S3.")), written);
        let stored = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        let put = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        let get = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        let lifecycle = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        let list = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        let range: &[_] = &[("range", "bytes=0-9")];
        for (method, path, query, headers, payload, signature) in [
            ("GET", "/test.txt", "", range, EMPTY, get),
            ("PUT", "/test%24file.text", "", &stored, written, put),
            ("GET", "/", "lifecycle", &[], EMPTY, lifecycle),
            ("GET", "/", "prefix=J&max-keys=2", &[], EMPTY, list),
        ] {
            let fixed = [
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", payload),
                ("x-amz-date", "20130524T000000Z"),
            ];
            let headers = [&fixed, headers].concat();
            let request = Unsigned { method, path, query, headers: &headers, payload };
            let keys = ["AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"].map(Secret::new);
            let scope = Scope { time: "20130524T000000Z", region: "us-east-1", service: "s3" };
            let header = authorization(&keys[0], &keys[1], &scope, &request);
            assert!(header.ends_with(&format!("Signature={signature}")), "{method} {path} {query}");
        }
    }

    #[test]
    fn times_and_spaces_are_written_as_aws_does() {
        assert_eq!(timestamp(UNIX_EPOCH + Duration::from_millis(1_440_938_160_900)), "20150830T123600Z");
        assert_eq!(trimmed("  a   b "), "a b");
    }
}
