//! What an answer of the engine means: success, or which error. Pure.

use std::time::SystemTime;

use remote::url::is_region;
use ureq::http::HeaderMap;

use super::error::EngineError;
use super::error_details::{At, BodyFault, Status, Unavailability};
use super::s3_body::S3Error;
use crate::counters::Method;

/// What is known beside the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The region of the signature, for an S3 engine.
    pub(crate) region: Option<&'a str>,
    /// Whether these credentials read something before.
    pub(crate) has_read: bool,
    /// The end of the range, if one was asked for.
    pub(crate) range_end: Option<u64>,
    /// This machine's time.
    pub(crate) now: SystemTime,
}

/// Whether a request had success.
pub(crate) fn is_success(method: Method, status: u16) -> bool {
    match method {
        Method::Get => matches!(status, 200 | 206),
        Method::List => status == 200,
        Method::Put => matches!(status, 200 | 201 | 204),
        Method::Delete => matches!(status, 200 | 202 | 204),
    }
}

/// The region that an answer names in the place of the one that was used.
pub(crate) fn other_region(status: u16, headers: &HeaderMap, body: &S3Error, used: &str) -> Option<String> {
    let header = headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
    let header = header.filter(|region| is_region(region) && matches!(status, 301 | 307 | 400));
    let is_about_region = matches!(
        body.code.as_str(),
        "AuthorizationHeaderMalformed"
            | "PermanentRedirect"
            | "TemporaryRedirect"
            | "IllegalLocationConstraintException"
    );
    let region = header.map(str::to_owned).or_else(|| body.region.clone().filter(|_| is_about_region));
    region.filter(|region| region != used)
}

/// The error for an answer that is neither a success nor a redirect that is followed. `body` is the error's body.
pub(crate) fn failure(at: At, status: u16, headers: &HeaderMap, body: &[u8], context: &Context<'_>) -> EngineError {
    let error = if context.region.is_some() { super::s3_body::error(body) } else { S3Error::default() };
    if let Some(used) = context.region
        && let Some(region) = other_region(status, headers, &error, used)
    {
        return EngineError::Region { at, used: used.to_owned(), expected: Some(region) };
    }
    let shown = Status { status, code: error.code };
    by_code(at, shown, headers, context).unwrap_or_else(|(at, shown)| by_status(at, shown, body, context))
}

/// The error that a code of S3 names; the status may be any.
fn by_code(at: At, status: Status, headers: &HeaderMap, context: &Context<'_>) -> Result<EngineError, (At, Status)> {
    Ok(match status.code.as_str() {
        "NoSuchBucket" => EngineError::NoBucket { at },
        "SignatureDoesNotMatch" | "InvalidAccessKeyId" | "InvalidToken" => EngineError::WrongKey { at, status },
        "ExpiredToken" | "TokenRefreshRequired" => EngineError::Expired { at, status },
        "RequestTimeTooSkewed" => EngineError::Clock { at, difference: clock_difference(headers, context.now) },
        "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException" => {
            EngineError::Region { at, used: context.region.unwrap_or_default().to_owned(), expected: None }
        }
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" => EngineError::Digest { at, status },
        "EntityTooLarge" => EngineError::TooLarge { at, limit: None },
        "SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" => {
            EngineError::Unavailable { at, cause: Unavailability::Status(status) }
        }
        _ => return Err((at, status)),
    })
}

fn by_status(at: At, status: Status, body: &[u8], context: &Context<'_>) -> EngineError {
    let is_s3 = context.region.is_some();
    match status.status {
        // Whatever the code: a write asks for no object that has to be there.
        404 | 410 if at.method == Method::Put && is_s3 => EngineError::NoBucket { at },
        404 | 410 if at.method == Method::Put => EngineError::NoDirectory { at, status: status.status },
        404 | 410 => EngineError::Missing { at },
        401 | 403 | 407 => {
            let is_likely_missing = is_s3 && at.method == Method::Get && status.status == 403 && context.has_read;
            EngineError::Denied { at, status, is_likely_missing }
        }
        405 => EngineError::Unsupported { at, what: "the server does not allow this method (status 405)" },
        409 if !is_s3 => EngineError::NoDirectory { at, status: status.status },
        413 => EngineError::TooLarge { at, limit: None },
        416 => EngineError::Body { at, fault: BodyFault::Short { wanted: context.range_end.unwrap_or_default() } },
        // bazel-remote 2.6.1 answers so to a body whose sha256 is not its name: another attempt would fail as well.
        500 if body.windows(CHECKSUMS.len()).any(|part| part == CHECKSUMS) => EngineError::Digest { at, status },
        409 | 429 | 500 | 502..=599 => EngineError::Unavailable { at, cause: Unavailability::Status(status) },
        _ => EngineError::Protocol { at, what: status.to_string() },
    }
}

const CHECKSUMS: &[u8] = b"checksums don't match";

/// How many seconds this machine is ahead of the `Date` header.
fn clock_difference(headers: &HeaderMap, now: SystemTime) -> Option<i64> {
    let date = http_date(headers)?;
    let seconds = |span: std::time::Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    Some(now.duration_since(date).map_or_else(|behind| -seconds(behind.duration()), seconds))
}

/// The time of the `Date` header, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, 5.6.7).
pub(crate) fn http_date(headers: &HeaderMap) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = headers.get("date")?.to_str().ok()?.split_once(", ")?;
    let words: Vec<_> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = *words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn fail(method: Method, status: u16, code: &str, header: (&'static str, &str)) -> EngineError {
        let at = At { method, target: "https://host/b/o/0a".into() };
        let mut headers = HeaderMap::new();
        headers.insert(header.0, header.1.parse().unwrap());
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777 + 1200);
        let context = Context { region: Some("us-east-1"), has_read: true, range_end: Some(9), now };
        let body = format!("<Error><Code>{code}</Code><Region>eu-west-1</Region></Error>");
        failure(at, status, &headers, body.as_bytes(), &context)
    }

    #[test]
    fn each_answer_has_its_error() {
        use Method::{Delete, Get, Put};
        for (method, status, code, expected) in [
            (Get, 404, "NoSuchKey", "Missing"),
            (Get, 404, "NoSuchBucket", "NoBucket"),
            (Put, 404, "NoSuchKey", "NoBucket"),
            (Put, 403, "AccessDenied", "Denied"),
            (Get, 403, "SignatureDoesNotMatch", "WrongKey"),
            (Get, 403, "InvalidAccessKeyId", "WrongKey"),
            (Get, 400, "ExpiredToken", "Expired"),
            (Get, 403, "RequestTimeTooSkewed", "Clock"),
            (Put, 400, "XAmzContentSHA256Mismatch", "Digest"),
            (Put, 400, "AuthorizationHeaderMalformed", "Region"),
            (Get, 503, "SlowDown", "Unavailable"),
            (Get, 500, "", "Unavailable"),
            (Get, 501, "NotImplemented", "Protocol"),
            (Put, 413, "", "TooLarge"),
            (Delete, 405, "", "Unsupported"),
            (Get, 416, "InvalidRange", "Body"),
            (Get, 418, "", "Protocol"),
        ] {
            let error = fail(method, status, code, ("x", "y"));
            assert!(format!("{error:?}").starts_with(&format!("{expected} {{")), "{status} {code}: {error:?}");
        }
        assert!(fail(Get, 403, "AccessDenied", ("x", "y")).is_missing());
        assert!(!fail(Put, 403, "AccessDenied", ("x", "y")).is_missing());
    }

    #[test]
    fn a_region_comes_from_the_header_or_the_body() {
        let region = |status, code, value: &str| match fail(Method::Get, status, code, ("x-amz-bucket-region", value)) {
            EngineError::Region { expected, .. } => expected,
            other => panic!("{other:?}"),
        };
        assert_eq!(region(301, "PermanentRedirect", "us-west-2").as_deref(), Some("us-west-2"));
        assert_eq!(region(400, "AuthorizationHeaderMalformed", "a/b").as_deref(), Some("eu-west-1"));
    }

    #[test]
    fn the_clock_is_compared_with_the_date_header() {
        let error = |date: &str| fail(Method::Get, 403, "RequestTimeTooSkewed", ("date", date)).to_string();
        assert!(error("Sun, 06 Nov 1994 08:49:37 GMT").contains("1200 s ahead"));
        assert!(error("Sun, 06 Nov 1994 09:49:37 GMT").contains("2400 s behind"));
        assert!(error("yesterday").contains("set the clock"));
    }
}
