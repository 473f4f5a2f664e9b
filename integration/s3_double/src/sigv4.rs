//! Checks AWS Signature Version 4 in the header `Authorization`, as AWS documents it for S3 ("Authenticating Requests: Using the
//! Authorization Header"). It was written from that page, and shares no code with a client: two that agree prove more.

use std::time::SystemTime;

use crate::hash::{hex, hmac, sha256_hex};
use crate::reply::ApiError;
use crate::request::{Request, encoded, encoded_path};
use crate::settings::{Key, Settings};

/// How far a client's clock may be off: S3's limit.
const MOST_SKEW_SECONDS: u64 = 15 * 60;

/// The times that a check depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// For signatures: the wall clock, moved by a fault.
    pub(crate) signing: SystemTime,
    /// When the sessions began.
    pub(crate) started: SystemTime,
    /// For sessions: the store's clock.
    pub(crate) store: SystemTime,
}

/// The parts of the header.
struct Authorization<'a> {
    id: &'a str,
    /// `DATE/REGION/SERVICE/aws4_request`
    scope: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

/// The key that signed the request.
pub(crate) fn verify<'a>(request: &Request, settings: &'a Settings, times: Times) -> Result<&'a Key, ApiError> {
    let authorization = authorization(request)?;
    let unknown = "The AWS Access Key Id you provided does not exist in our records.";
    let key = settings.keys.iter().find(|key| key.id == authorization.id);
    let key = key.ok_or_else(|| ApiError::new(403, "InvalidAccessKeyId", unknown))?;
    check_session(request, settings, key, times)?;
    let date = check_date(request, times.signing)?;
    check_scope(&authorization, date, settings)?;
    check_signed_headers(request, &authorization)?;
    check_signature(request, &authorization, (key, date))?;
    check_body(request, settings)?;
    Ok(key)
}

fn authorization(request: &Request) -> Result<Authorization<'_>, ApiError> {
    let header = request.header("authorization").ok_or_else(|| ApiError::denied("Access Denied: no signature"))?;
    let malformed = |what: &str| {
        ApiError::new(400, "AuthorizationHeaderMalformed", &format!("The authorization header is malformed: {what}"))
    };
    let parts = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| malformed("AWS4-HMAC-SHA256 is wanted"))?;
    let part = |name: &str| {
        let found = parts.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        found.ok_or_else(|| malformed(&format!("it has no {name}")))
    };
    let (id, scope) = part("Credential")?.split_once('/').ok_or_else(|| malformed("the credential has no scope"))?;
    let signed: Vec<_> = part("SignedHeaders")?.split(';').collect();
    if !signed.is_sorted() {
        return Err(malformed("the signed headers are not in order"));
    }
    Ok(Authorization { id, scope, signed, signature: part("Signature")? })
}

fn check_session(request: &Request, settings: &Settings, key: &Key, times: Times) -> Result<(), ApiError> {
    let sent = request.header("x-amz-security-token");
    let mut sessions = settings.sessions.iter().filter(|session| session.id == key.id).peekable();
    let invalid = || ApiError::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid.");
    if sessions.peek().is_none() {
        return if sent.is_none() { Ok(()) } else { Err(invalid()) };
    }
    let sent =
        sent.ok_or_else(|| ApiError::new(403, "InvalidAccessKeyId", "The key is valid with its token alone."))?;
    let session = sessions.find(|session| session.token == sent).ok_or_else(invalid)?;
    let age = times.store.duration_since(times.started).unwrap_or_default().as_secs();
    if age < session.seconds { Ok(()) } else { Err(ApiError::expired_token()) }
}

/// The value of `x-amz-date`.
fn check_date(request: &Request, now: SystemTime) -> Result<&str, ApiError> {
    let date = request.header("x-amz-date").unwrap_or_default();
    let invalid = || ApiError::denied("AWS authentication requires a valid x-amz-date header");
    let time = parse_date(date).ok_or_else(invalid)?;
    let skew = now.duration_since(time).unwrap_or_else(|before| before.duration());
    if skew.as_secs() > MOST_SKEW_SECONDS {
        let message = "The difference between the request time and the current time is too large.";
        return Err(ApiError::new(403, "RequestTimeTooSkewed", message)
            .with_element(("RequestTime", date.to_owned()))
            .with_element(("ServerTime", humantime::format_rfc3339_seconds(now).to_string()))
            .with_element(("MaxAllowedSkewMilliseconds", (MOST_SKEW_SECONDS * 1000).to_string())));
    }
    Ok(date)
}

/// `20130524T000000Z`
fn parse_date(text: &str) -> Option<SystemTime> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let (day, time) = (&text[..8], &text[8..]);
    let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
    let (hour, minute, second) = (&time[..3], &time[3..5], &time[5..]);
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}{hour}:{minute}:{second}")).ok()
}

fn check_scope(authorization: &Authorization<'_>, date: &str, settings: &Settings) -> Result<(), ApiError> {
    let parts: Vec<_> = authorization.scope.split('/').collect();
    let malformed = |what: &str| {
        ApiError::new(400, "AuthorizationHeaderMalformed", &format!("The authorization header is malformed; {what}"))
    };
    let &[day, region, service, end] = parts.as_slice() else { return Err(malformed("the scope has four parts")) };
    if region != settings.region {
        if settings.behavior.region_redirect {
            let message = "The bucket you are attempting to access must be addressed using the specified endpoint.";
            let header = ("x-amz-bucket-region", settings.region.clone());
            return Err(ApiError::new(301, "PermanentRedirect", message).with_header(header));
        }
        let what = format!("the region '{region}' is wrong; expecting '{}'", settings.region);
        return Err(malformed(&what).with_element(("Region", settings.region.clone())));
    }
    if day != &date[..8] {
        return Err(malformed("the date of the scope is not that of x-amz-date"));
    }
    if (service, end) != ("s3", "aws4_request") {
        return Err(malformed("the scope ends with s3/aws4_request"));
    }
    Ok(())
}

/// Host and every header of AWS has to be signed.
fn check_signed_headers(request: &Request, authorization: &Authorization<'_>) -> Result<(), ApiError> {
    if request.header("x-amz-content-sha256").is_none() {
        let message = "Missing required header for this request: x-amz-content-sha256";
        return Err(ApiError::new(400, "InvalidRequest", message));
    }
    let of_aws = request.headers.iter().map(|header| header.0.as_str()).filter(|name| name.starts_with("x-amz-"));
    for name in ["host", "x-amz-content-sha256", "x-amz-date"].into_iter().chain(of_aws) {
        if !authorization.signed.contains(&name) {
            let message = "There were headers present in the request which were not signed";
            return Err(ApiError::denied(message).with_element(("HeadersNotSigned", name.to_owned())));
        }
    }
    Ok(())
}

fn check_signature(request: &Request, sent: &Authorization<'_>, (key, date): (&Key, &str)) -> Result<(), ApiError> {
    let canonical = canonical_request(request, &sent.signed);
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{}\n{}", sent.scope, sha256_hex(canonical.as_bytes()));
    let secret = format!("AWS4{}", key.secret).into_bytes();
    let signing_key = sent.scope.split('/').fold(secret, |key, part| hmac(&key, part.as_bytes()).to_vec());
    if hex(&hmac(&signing_key, to_sign.as_bytes())) == sent.signature {
        return Ok(());
    }
    let message = "The request signature we calculated does not match the signature you provided.";
    Err(ApiError::new(403, "SignatureDoesNotMatch", message)
        .with_element(("StringToSign", to_sign))
        .with_element(("CanonicalRequest", canonical)))
}

fn canonical_request(request: &Request, signed: &[&str]) -> String {
    let mut query: Vec<_> = request.query.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    query.sort_unstable();
    let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let header = |name: &&str| {
        let values = request.headers.iter().filter(|header| header.0 == *name);
        let values: Vec<_> = values.map(|header| header.1.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        format!("{name}:{}\n", values.join(","))
    };
    [
        request.method.clone(),
        encoded_path(&request.path),
        query.join("&"),
        signed.iter().map(header).collect(),
        signed.join(";"),
        request.header("x-amz-content-sha256").unwrap_or_default().to_owned(),
    ]
    .join("\n")
}

fn check_body(request: &Request, settings: &Settings) -> Result<(), ApiError> {
    match request.header("x-amz-content-sha256").unwrap_or_default() {
        "UNSIGNED-PAYLOAD" if settings.behavior.unsigned_payload => Ok(()),
        "UNSIGNED-PAYLOAD" => Err(ApiError::denied("UNSIGNED-PAYLOAD over plain HTTP (--unsigned-payload accepts it)")),
        sent if sent == sha256_hex(&request.body) => Ok(()),
        _ => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            Err(ApiError::new(400, "XAmzContentSHA256Mismatch", message))
        }
    }
}

#[cfg(test)]
#[path = "sigv4_examples.rs"]
mod examples;
