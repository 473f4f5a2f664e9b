//! One request from its first attempt to its last: what goes with it, and what is tried again after which error.

use std::io::Read;
use std::ops::Range;
use std::time::{Duration, Instant};

use base64_simd::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proto::id::hex;
use remote::url::Origin;
use ring::rand::{SecureRandom, SystemRandom};
use ureq::Body;
use ureq::http::header::{AUTHORIZATION, HeaderName, LOCATION, RANGE};
use ureq::http::{HeaderValue, Response};

use super::address::Target;
use super::answer::{Context, failure, is_success, other_region};
use super::error::EngineError;
use super::error_details::{At, Phase};
use super::http_client::Outgoing;
use super::put_body::{Failure, PutBody, Source};
use super::redirect::{self, Authorization};
use super::remote::Remote;
use super::s3_body;
use super::sigv4::{Scope, Unsigned, authorization, timestamp};
use crate::clock;
use crate::counters::{Method, RequestOutcome};
use crate::credentials::Credentials;
use crate::limits::{MAX_ERROR_BODY, MAX_REDIRECTS, RETRY_DELAY};
use crate::object_name::ObjectName;
use crate::secret::Secret;

/// What version 4 signatures leave unescaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The sha256 of no bytes.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What is asked of the engine.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) name: Option<&'a ObjectName>,
    pub(super) range: Option<Range<u64>>,
    pub(super) body: Option<PutBody<'a>>,
    pub(super) query: String,
}

impl<'a> Call<'a> {
    pub(super) fn new(method: Method, name: Option<&'a ObjectName>) -> Self {
        Self { method, name, range: None, body: None, query: String::new() }
    }
}

/// A success: where it was found, and its response.
pub(super) type Answered = (At, Response<Body>);

/// The attempts of one call.
pub(super) struct Exchange<'a> {
    remote: &'a Remote,
    call: &'a Call<'a>,
    credentials: Credentials,
    region: String,
    /// The server of the request before redirects.
    first: Origin,
    target: Target,
    authorization: Authorization,
    redirects: u32,
    is_retry: bool,
    has_changed_region: bool,
    has_read_credentials: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(remote: &'a Remote, call: &'a Call<'a>) -> Result<Self, EngineError> {
        let region = remote.shared.region();
        let target = remote.target(call.name, &call.query, &region);
        Ok(Self {
            remote,
            call,
            credentials: remote.credentials()?,
            region,
            first: target.origin.clone(),
            target,
            authorization: Authorization::Same,
            redirects: 0,
            is_retry: false,
            has_changed_region: false,
            has_read_credentials: false,
        })
    }

    /// Sends the request once. `None`: it has to go elsewhere, and is prepared for that.
    pub(super) fn send(&mut self) -> Result<Option<Answered>, EngineError> {
        let result = self.answer();
        let outcome = match &result {
            Ok(Some(_)) => None, // counted at the end of its body
            Ok(None) => Some(RequestOutcome::Redirected),
            Err(error) => error.request_outcome(),
        };
        outcome.into_iter().for_each(|outcome| self.remote.shared.add_request(self.call.method, outcome));
        result
    }

    fn answer(&mut self) -> Result<Option<Answered>, EngineError> {
        let response = self.send_once()?;
        let status = response.status().as_u16();
        if is_success(self.call.method, status) {
            return Ok(Some((self.at(), response)));
        }
        let (parts, body) = response.into_parts();
        let body = small_body(body, self.remote.client.deadlines.first_byte);
        let location = parts.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let is_redirect = matches!(status, 301 | 302 | 307 | 308);
        match location.filter(|location| is_redirect && !location.is_empty()) {
            Some(location) if !self.names_other_region(status, &parts.headers, &body) => {
                self.follow(location)?;
                Ok(None)
            }
            _ => {
                let context = Context {
                    region: self.remote.bucket().map(|_| self.region.as_str()),
                    has_read: self.remote.shared.has_read(),
                    range_end: self.call.range.as_ref().map(|range| range.end),
                    now: clock::now(),
                };
                Err(failure(self.at(), status, &parts.headers, &body, &context))
            }
        }
    }

    fn names_other_region(&self, status: u16, headers: &ureq::http::HeaderMap, body: &[u8]) -> bool {
        let is_possible = self.remote.bucket().is_some() && !self.has_changed_region;
        is_possible && other_region(status, headers, &s3_body::error(body), &self.region).is_some()
    }

    fn follow(&mut self, location: &str) -> Result<(), EngineError> {
        let protocol = |what: &str| EngineError::Protocol { at: self.at(), what: what.to_owned() };
        if self.redirects >= MAX_REDIRECTS {
            return Err(protocol("too many redirects"));
        }
        let is_authorized = self.authorization != Authorization::None;
        let bucket = self.remote.bucket();
        let followed = redirect::follow(&self.first, &self.target, location, bucket, is_authorized);
        (self.target, self.authorization) = followed.map_err(protocol)?;
        self.redirects += 1;
        Ok(())
    }

    /// Prepares another attempt after an error, if there is one that may have success.
    pub(super) fn recover(&mut self, error: EngineError) -> Result<(), EngineError> {
        match &error {
            EngineError::Region { expected: Some(region), .. } if !self.has_changed_region => {
                self.has_changed_region = true;
                log::info!("{error}; using that region from now on");
                self.remote.shared.set_region(region);
                self.region.clone_from(region);
                self.restart();
                Ok(())
            }
            // Some engines deny where they do not know the key (Garage), and servers where a token is too old (401).
            EngineError::Expired { .. } | EngineError::WrongKey { .. } | EngineError::Denied { .. }
                if !self.has_read_credentials =>
            {
                self.has_read_credentials = true;
                let credentials = self.remote.load_credentials()?;
                if credentials == self.credentials {
                    if matches!(error, EngineError::Expired { .. }) {
                        self.remote.shared.set_credentials(None); // the next request reads them before it is sent
                    }
                    return Err(error);
                }
                self.remote.shared.set_credentials(Some(credentials.clone()));
                self.credentials = credentials;
                self.restart();
                Ok(())
            }
            error if error.is_retried() && !self.is_retry => {
                self.is_retry = true;
                self.remote.shared.add_retry();
                std::thread::sleep(retry_delay());
                self.restart();
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Back to the first address, which may be another one in another region.
    fn restart(&mut self) {
        self.target = self.remote.target(self.call.name, &self.call.query, &self.region);
        self.first = self.target.origin.clone();
        self.authorization = Authorization::Same;
    }

    fn at(&self) -> At {
        At { method: self.call.method, target: self.target.shown() }
    }

    fn send_once(&self) -> Result<Response<Body>, EngineError> {
        let protocol = |what: String| EngineError::Protocol { at: self.at(), what };
        let deadlines = &self.remote.client.deadlines;
        let body = self.call.body.as_ref();
        let (rate, window) = (deadlines.min_bytes_per_second, deadlines.pace_window);
        let mut source = body.map(|body| Source::new(body.content, rate, window));
        let size = body.map_or(0, |body| body.content.size());
        let request = Outgoing {
            method: self.call.method.as_http(),
            uri: self.target.uri().map_err(|e| protocol(e.to_string()))?,
            headers: self.headers().map_err(|e| protocol(e.to_string()))?,
            body: source.as_mut().map(|source| (source as &mut dyn Read, size)),
            asks_first: self.is_retry,
        };
        let result = self.remote.client.send(request, self.target.origin.is_loopback());
        if let Some(source) = source {
            self.remote.shared.add_sent(source.sent);
            match source.failure {
                Some(Failure::Slow) => {
                    return Err(EngineError::Slow { at: self.at(), phase: Phase::Send, limit: window });
                }
                Some(Failure::File(source)) => return Err(EngineError::File { at: self.at(), source }),
                None => {}
            }
        }
        result.map_err(|error| self.remote.client.no_response(self.at(), error, size))
    }

    fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, ureq::http::header::InvalidHeaderValue> {
        let mut headers = Vec::new();
        if let Some(range) = &self.call.range {
            headers.push((RANGE, HeaderValue::from_str(&format!("bytes={}-{}", range.start, range.end - 1))?));
        }
        let region = match &self.authorization {
            Authorization::None => return Ok(headers),
            Authorization::Same => &self.region,
            Authorization::Region(region) => region,
        };
        let mut secret = |name: HeaderName, value: &str| {
            let mut value = HeaderValue::from_str(value)?;
            value.set_sensitive(true);
            headers.push((name, value));
            Ok(())
        };
        match &self.credentials {
            Credentials::Anonymous => {}
            Credentials::Bearer(token) => secret(AUTHORIZATION, &format!("Bearer {}", token.expose()))?,
            Credentials::Basic { username, password } => {
                let login = format!("{}:{}", username.expose(), password.expose());
                secret(AUTHORIZATION, &format!("Basic {}", STANDARD.encode_to_string(login)))?;
            }
            Credentials::Keys { access_key_id, secret_access_key, session_token } => {
                for (name, value) in self.signed((access_key_id, secret_access_key), session_token.as_ref(), region) {
                    secret(HeaderName::from_static(name), &value)?;
                }
            }
        }
        Ok(headers)
    }

    /// The headers of a signed request, without `host`, which the HTTP library makes of the same URL.
    fn signed(
        &self,
        (key_id, key): (&Secret, &Secret),
        token: Option<&Secret>,
        region: &str,
    ) -> Vec<(&'static str, String)> {
        let payload = self.call.body.as_ref().map_or_else(|| EMPTY_SHA256.to_owned(), |body| hex(&body.sha256));
        let time = timestamp(clock::now());
        let mut headers = vec![("x-amz-content-sha256", payload.clone()), ("x-amz-date", time.clone())];
        headers.extend(token.map(|token| ("x-amz-security-token", token.expose().to_owned())));
        let host = self.target.origin.authority();
        let with_host = headers.iter().map(|(name, value)| (*name, value.as_str())).chain([("host", host.as_str())]);
        let request = Unsigned {
            method: self.call.method.as_http(),
            path: &self.target.path,
            query: &self.target.query,
            headers: &with_host.collect::<Vec<_>>(),
            payload: &payload,
        };
        let scope = Scope { time: &time, region, service: "s3" };
        let value = authorization(key_id, key, &scope, &request);
        headers.push(("authorization", value));
        headers
    }
}

/// The query of `ListObjectsV2`. Names are to come escaped: one of others may have a character that XML cannot have, and where it does,
/// Swift 2.38.3 answers 500 to any other list.
pub(super) fn listing_query(prefix: &str, continuation: Option<&str>) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let token = continuation.map(|token| format!("continuation-token={}&", escaped(token))).unwrap_or_default();
    format!("{token}encoding-type=url&list-type=2&prefix={}", escaped(prefix))
}

/// A body of which only the begin matters: that of an error, or of an answer to a write, or what comes of it in time. The library
/// keeps the connection when it sees the end.
pub(super) fn small_body(body: Body, max_time: Duration) -> Vec<u8> {
    let mut reader = body.into_with_config().limit(MAX_ERROR_BODY).reader();
    let (mut bytes, mut buffer, since) = (Vec::new(), [0; 4096], Instant::now());
    while since.elapsed() < max_time {
        match reader.read(&mut buffer) {
            Ok(0) | Err(_) => break, // its status remains
            Ok(read) => bytes.extend_from_slice(&buffer[..read]),
        }
    }
    bytes
}

/// A random time between the two limits.
fn retry_delay() -> Duration {
    let mut random = [0];
    // Without random bytes it is the longer one.
    let part = SystemRandom::new().fill(&mut random).map_or(u8::MAX, |()| random[0]);
    let (shortest, longest) = RETRY_DELAY;
    shortest + (longest - shortest) * u32::from(part) / u32::from(u8::MAX)
}
