//! The S3 face: GET, PUT and DELETE of objects, and `ListObjectsV2`. Everything else is 501, so that no test passes by an
//! operation or a parameter that was ignored.

use std::num::NonZeroU16;

use crate::faults::Fault;
use crate::hash::hex;
use crate::objects;
use crate::reply::{ApiError, Reply, element};
use crate::request::{Request, encoded_path};
use crate::settings::{Key, Right};
use crate::sigv4;
use crate::state::State;
use crate::store::{Existing, Put};

/// S3's limit on a page of a list.
const MOST_KEYS: usize = 1000;

/// Bucket and name of a request, from the host or from the path.
pub(crate) fn target(request: &Request, domain: &str) -> (String, String) {
    let host = request.header("host").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let bucket = host.strip_suffix(domain).and_then(|bucket| bucket.strip_suffix('.'));
    let (bucket, name) = bucket.map_or_else(|| path.split_once('/').unwrap_or((path, "")), |bucket| (bucket, path));
    (bucket.to_owned(), name.to_owned())
}

/// Checks and carries out a request; says which key signed it.
pub(crate) fn serve<'a>(
    state: &'a State,
    request: &Request,
    fault: Option<&Fault>,
) -> (Option<&'a Key>, Result<Reply, ApiError>) {
    if request.method == "HEAD" {
        return (None, Err(ApiError::new(405, "MethodNotAllowed", "HEAD is not served")));
    }
    if let Err(error) = if request.method == "PUT" { objects::check_length(request) } else { Ok(()) } {
        return (None, Err(error));
    }
    match sigv4::verify(request, &state.settings, state.times(fault)) {
        Ok(key) => (Some(key), operation(state, request, key, fault)),
        Err(error) => (None, Err(error)),
    }
}

fn operation(state: &State, request: &Request, key: &Key, fault: Option<&Fault>) -> Result<Reply, ApiError> {
    let (bucket, name) = target(request, &state.settings.domain);
    if !state.settings.buckets.contains(&bucket) {
        return Err(ApiError::no_bucket(&bucket));
    }
    let known: &[&str] = match (request.method.as_str(), name.as_str()) {
        ("GET", "") => &["list-type", "prefix", "max-keys", "continuation-token", "encoding-type"],
        _ => &[],
    };
    if let Some((parameter, _)) = request.query.iter().find(|pair| !known.contains(&pair.0.as_str())) {
        return Err(ApiError::not_implemented(&format!("the parameter {parameter}")));
    }
    match (request.method.as_str(), name.as_str()) {
        ("GET", "") => list(state, request, key, &bucket),
        ("GET", _) => get(state, request, key, (&bucket, &name), fault),
        ("PUT", name) if !name.is_empty() => put(state, request, key, (&bucket, name)),
        ("DELETE", name) if !name.is_empty() => {
            check_right(key, Right::Delete, name)?;
            state.store.delete(&format!("{bucket}/{name}"), state.clock.now());
            Ok(Reply::new(204))
        }
        (method, _) => Err(ApiError::not_implemented(&format!("{method} of this"))),
    }
}

fn check_right(key: &Key, right: Right, name: &str) -> Result<(), ApiError> {
    if key.allows(right, name) { Ok(()) } else { Err(ApiError::denied("Access Denied")) }
}

fn get(
    state: &State,
    request: &Request,
    key: &Key,
    (bucket, name): (&str, &str),
    fault: Option<&Fault>,
) -> Result<Reply, ApiError> {
    check_right(key, Right::Read, name)?;
    let Some(object) = state.store.get(&format!("{bucket}/{name}"), state.clock.now()) else {
        // AWS: without the right to list, a missing name looks like a forbidden one.
        if state.settings.behavior.missing_is_denied {
            check_right(key, Right::List, name)?;
        }
        let error = ApiError::new(404, "NoSuchKey", "The specified key does not exist.");
        return Err(error.with_element(("Key", name.to_owned())));
    };
    objects::get(request, &object, fault)
}

fn put(state: &State, request: &Request, key: &Key, (bucket, name): (&str, &str)) -> Result<Reply, ApiError> {
    check_right(key, Right::Write, name)?;
    let behavior = &state.settings.behavior;
    objects::check_checksums(request, behavior)?;
    if request.header("x-amz-copy-source").is_some() {
        return Err(ApiError::not_implemented("CopyObject"));
    }
    let is_conditional = behavior.conditional_put && request.header("if-none-match") == Some("*");
    let existing = if is_conditional { Existing::Keep } else { Existing::Replace };
    let name = format!("{bucket}/{name}");
    let put = state.store.put(&name, request.body.clone(), state.clock.now(), existing);
    match put.map_err(|error| ApiError::new(500, "InternalError", &error.to_string()))? {
        Put::Exists => {
            let message = "At least one of the pre-conditions you specified did not hold";
            Err(ApiError::new(412, "PreconditionFailed", message))
        }
        Put::Created | Put::Replaced => {
            let etag = state.store.get(&name, state.clock.now()).map(|object| object.etag);
            Ok(Reply::new(200).with_header(("ETag", etag.unwrap_or_default())))
        }
    }
}

fn list(state: &State, request: &Request, key: &Key, bucket: &str) -> Result<Reply, ApiError> {
    let invalid = |message: &str| ApiError::new(400, "InvalidArgument", message);
    if request.parameter("list-type") != Some("2") {
        return Err(ApiError::not_implemented("lists other than list-type=2"));
    }
    let prefix = request.parameter("prefix").unwrap_or_default();
    check_right(key, Right::List, prefix)?;
    let most =
        state.settings.behavior.page_names.map_or(MOST_KEYS, |names| NonZeroU16::get(names).into()).min(MOST_KEYS);
    let limit = request.parameter("max-keys").map_or(Ok(most), str::parse);
    let limit = limit.map_err(|_| invalid("Provided max-keys not an integer or within integer range"))?.min(most);
    let after = request.parameter("continuation-token").map(read_token).unwrap_or(Some(String::new()));
    let after = after.ok_or_else(|| invalid("The continuation token provided is incorrect"))?;
    let in_url = match request.parameter("encoding-type") {
        None => false,
        Some("url") => true,
        Some(_) => return Err(invalid("Invalid Encoding Method specified in Request")),
    };
    let written = |name: &str| if in_url { encoded_path(name) } else { name.to_owned() };
    let within = |name: &str| format!("{bucket}/{name}");
    let after = if after.is_empty() { String::new() } else { within(&after) };
    let mut found = state.store.names(&within(prefix), &after, limit + 1, state.clock.now());
    let is_truncated = found.len() > limit && limit > 0;
    found.truncate(limit);
    // XML cannot have every character. Swift 2.38.3 answers so; others send what no reader of XML takes.
    if !in_url && found.iter().any(|(name, _)| name.contains(char::is_control)) {
        return Err(ApiError::new(500, "InternalError", "We encountered an internal error. Please try again."));
    }
    let name_of = |full: &str| full[bucket.len() + 1..].to_owned();
    let mut xml = element("Name", bucket) + &element("Prefix", &written(prefix));
    xml += &element("KeyCount", &found.len().to_string());
    xml += &element("MaxKeys", &limit.to_string());
    xml += &if in_url { element("EncodingType", "url") } else { String::new() };
    xml += &element("IsTruncated", if is_truncated { "true" } else { "false" });
    if let Some((last, _)) = found.last().filter(|_| is_truncated) {
        xml += &element("NextContinuationToken", &token(&name_of(last)));
    }
    for (name, object) in &found {
        let time = humantime::format_rfc3339_millis(object.created).to_string();
        let fields = element("Key", &written(&name_of(name)))
            + &element("LastModified", &time)
            + &element("ETag", &object.etag)
            + &element("Size", &object.body.len().to_string())
            + &element("StorageClass", "STANDARD");
        xml += &format!("<Contents>{fields}</Contents>");
    }
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    Ok(Reply::new(200).with_body("application/xml", format!("{head}{xml}</ListBucketResult>")))
}

/// The last name of a page, in hex: clients must not look into it.
fn token(name: &str) -> String {
    format!("t{}", hex(name.as_bytes()))
}

fn read_token(token: &str) -> Option<String> {
    let digits = token.strip_prefix('t').filter(|digits| digits.is_ascii() && digits.len() % 2 == 0)?;
    let byte = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    String::from_utf8((0..digits.len()).step_by(2).map(byte).collect::<Option<_>>()?).ok()
}
