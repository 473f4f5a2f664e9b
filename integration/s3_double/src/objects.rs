//! GET and PUT of an object and their checksums, which both faces do alike.

use base64_simd::STANDARD;
use sha2::{Digest, Sha256};

use crate::MOST_BYTES;
use crate::clock::http_date;
use crate::faults::Fault;
use crate::reply::{ApiError, Reply};
use crate::request::Request;
use crate::settings::Behavior;
use crate::store::Object;

/// The object, or the range of it that is asked for.
pub(crate) fn get(request: &Request, object: &Object, fault: Option<&Fault>) -> Result<Reply, ApiError> {
    let length = object.body.len();
    let range = if fault == Some(&Fault::IgnoreRange) { None } else { request.range(length)? };
    let reply = match range {
        None => Reply::new(200).with_body("binary/octet-stream", object.body.as_slice()),
        Some((begin, end)) => Reply::new(206)
            .with_body("binary/octet-stream", &object.body[begin..end])
            .with_header(("Content-Range", format!("bytes {begin}-{}/{length}", end - 1))),
    };
    Ok(reply
        .with_header(("ETag", object.etag.clone()))
        .with_header(("Last-Modified", http_date(object.created)))
        .with_header(("Accept-Ranges", "bytes".to_owned())))
}

/// Whether the body was sent with its length: neither in chunks, nor in the chunks of AWS.
pub(crate) fn check_length(request: &Request) -> Result<(), ApiError> {
    let is_aws_chunked = request.header("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
    let is_chunked = request.header("transfer-encoding").is_some() || is_aws_chunked;
    if is_chunked || request.header("content-length").is_none() {
        let message = "You must provide the Content-Length HTTP header; chunks are not accepted.";
        return Err(ApiError::new(411, "MissingContentLength", message));
    }
    if request.header("content-length").and_then(|length| length.parse().ok()).is_none_or(|length| MOST_BYTES < length)
    {
        return Err(ApiError::new(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"));
    }
    if request.header("content-length") != Some(request.body.len().to_string().as_str()) {
        let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
        return Err(ApiError::new(400, "IncompleteBody", message));
    }
    Ok(())
}

/// Compares `x-amz-checksum-sha256`. Other checksums are not computed here, and are not passed over in silence.
pub(crate) fn check_checksums(request: &Request, behavior: &Behavior) -> Result<(), ApiError> {
    let is_checksum =
        |name: &str| name == "content-md5" || name == "x-amz-trailer" || name.starts_with("x-amz-checksum-");
    for (name, value) in request.headers.iter().filter(|header| is_checksum(&header.0)) {
        if behavior.refuse_checksums || name != "x-amz-checksum-sha256" {
            return Err(ApiError::not_implemented(&format!("the header {name}")));
        }
        if *value != STANDARD.encode_to_string(Sha256::digest(&request.body)) {
            let message = "The SHA256 you specified did not match what we received.";
            return Err(ApiError::new(400, "BadDigest", message));
        }
    }
    Ok(())
}
