//! An engine that stores objects by name: S3, or a server with GET, PUT and DELETE.
//!
//! exchange.rs is what one request goes through: the address (`address.rs`), the signature (sigv4.rs), one exchange by HTTP
//! (`http_client.rs`), what its answer means (answer.rs), and what is tried again: with another region, with credentials that were
//! read again, at another address (redirect.rs), or once more after a fault. reply.rs checks the body of a read. Never sent are
//! If-None-Match (engines ignore it, or do not decide it atomically), several ranges, checksum headers, chunked bodies, and HEAD.

pub(crate) mod address;
mod answer;
mod error;
mod error_details;
mod exchange;
mod http_client;
mod pace;
mod put_body;
mod redirect;
mod remote;
mod reply;
pub(crate) mod s3_body;
mod shared;
mod sigv4;
pub(crate) mod xml;

use std::io::Read;
use std::ops::Range;

use address::Bucket;
pub use error::EngineError;
pub use error_details::{At, BodyFault, Phase, Status, Unavailability};
use exchange::{Call, Exchange};
pub use http_client::{Connections, HttpProxy};
pub use put_body::{Content, PutBody};
use remote::{Place, Remote};
pub use reply::Reply;
use reply::Wanted;
pub use s3_body::{ListedObject, Listing};

use ::remote::url::{Addressing, Origin, Url};

use crate::counters::{Counters, Method, RequestOutcome};
use crate::credentials::CredentialsSource;
use crate::limits::MAX_LISTING;
use crate::object_name::ObjectName;

/// Settings of an engine.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where the objects are.
    pub url: Url,
    /// The address of an S3 engine; AWS if there is none.
    pub endpoint: Option<Origin>,
    /// The region of an S3 engine, as [`remote::url::parse_region`] reads it; the one in the endpoint's name if there is none.
    pub region: Option<String>,
    /// How the bucket is named to an S3 engine.
    pub addressing: Option<Addressing>,
    /// Where credentials come from.
    pub credentials: CredentialsSource,
    /// How servers are reached.
    pub connections: Connections,
}

impl EngineSettings {
    /// The defaults for a URL.
    #[must_use]
    pub fn new(url: Url, credentials: CredentialsSource) -> Self {
        Self { url, endpoint: None, region: None, addressing: None, credentials, connections: Connections::default() }
    }
}

/// An engine. All threads may use it at once.
#[derive(Debug)]
pub struct Engine {
    remote: Remote,
}

impl Engine {
    /// Prepares requests; sends none.
    #[must_use]
    pub fn new(settings: &EngineSettings) -> Self {
        let place = match &settings.url {
            Url::S3 { bucket, prefix } => {
                let (endpoint, addressing) = (settings.endpoint.clone(), settings.addressing);
                Place::S3(Bucket::new(endpoint, bucket.clone(), prefix.clone(), addressing))
            }
            Url::Http { origin, prefix } => Place::Http { origin: origin.clone(), prefix: prefix.clone() },
        };
        let remote = Remote::new(&settings.url, place, &settings.credentials, &settings.connections);
        let region = settings.region.clone().or_else(|| remote.bucket().map(Bucket::region));
        remote.shared.set_region(&region.unwrap_or_default());
        Self { remote }
    }

    /// Reads an object, or a range of its bytes. The body comes with the reads of the reply; one of more than `limit` bytes is an
    /// error. A range has to be within the object.
    ///
    /// # Errors
    /// An [`EngineError`]; of the body from [`Reply`].
    pub fn get(&self, name: &ObjectName, range: Option<Range<u64>>, limit: u64) -> Result<Reply, EngineError> {
        let call = Call { range: range.clone(), ..Call::new(Method::Get, Some(name)) };
        let at = self.at(&call);
        match &range {
            Some(range) if range.is_empty() => {
                Err(EngineError::Unsupported { at, what: "a range without bytes cannot be read" })
            }
            Some(range) if range.end - range.start > limit => Err(EngineError::TooLarge { at, limit: Some(limit) }),
            Some(_) | None => self.read(&call, &at, &Wanted { range, limit }),
        }
    }

    /// Stores an object under a name, in the place of one that is there.
    ///
    /// # Errors
    /// An [`EngineError`].
    pub fn put(&self, name: &ObjectName, body: &PutBody<'_>) -> Result<(), EngineError> {
        let call = Call { body: Some(*body), ..Call::new(Method::Put, Some(name)) };
        self.write(&call)
    }

    /// Removes an object; one that does not exist is no error.
    ///
    /// # Errors
    /// An [`EngineError`].
    pub fn delete(&self, name: &ObjectName) -> Result<(), EngineError> {
        match self.write(&Call::new(Method::Delete, Some(name))) {
            Err(EngineError::Missing { .. }) => Ok(()),
            result => result,
        }
    }

    /// A page of the objects whose names begin with `prefix`, such as `o/`: the first one, or the one that a page names as the next.
    ///
    /// # Errors
    /// An [`EngineError`]; [`EngineError::Unsupported`] for a server that is no S3 engine.
    pub fn list(&self, prefix: &str, continuation: Option<&str>) -> Result<Listing, EngineError> {
        let mut call = Call::new(Method::List, None);
        let at = self.at(&call);
        let Some(bucket) = self.remote.bucket() else {
            let what = "plain HTTP servers have no listing that can be relied on: use an S3 engine, or remove old files on the server";
            return Err(EngineError::Unsupported { at, what });
        };
        let key_prefix = bucket.key_prefix();
        call.query = exchange::listing_query(&format!("{key_prefix}{prefix}"), continuation);
        let mut page = Vec::new();
        let mut reply = self.read(&call, &at, &Wanted { range: None, limit: MAX_LISTING })?;
        let date = reply.date();
        if let Err(e) = reply.read_to_end(&mut page) {
            let what = e.to_string();
            return Err(EngineError::of_read(e).unwrap_or(EngineError::Protocol { at, what }));
        }
        let listing = s3_body::listing(&page, &key_prefix);
        let listing = listing.map_err(|e| EngineError::Protocol { at, what: e.to_string() })?;
        Ok(Listing { date, ..listing })
    }

    /// Whether it has listings: plain servers have none.
    #[must_use]
    pub fn has_listings(&self) -> bool {
        self.remote.bucket().is_some()
    }

    /// Counts since the engine was made.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.remote.shared.counters()
    }

    /// Whether reads, and writes, are refused at present because too many failed.
    #[must_use]
    pub fn are_paused(&self) -> (bool, bool) {
        self.remote.shared.are_paused()
    }

    fn read(&self, call: &Call<'_>, at: &At, wanted: &Wanted) -> Result<Reply, EngineError> {
        let operation = self.remote.shared.begin(at)?;
        match self.run(call) {
            Ok((at, response)) => {
                self.remote.shared.set_has_read();
                Reply::new(at, response, wanted, &self.remote.client.deadlines, operation)
            }
            Err(error) => {
                operation.end(Err(&error));
                Err(error)
            }
        }
    }

    fn write(&self, call: &Call<'_>) -> Result<(), EngineError> {
        let operation = self.remote.shared.begin(&self.at(call))?;
        let max_time = self.remote.client.deadlines.first_byte;
        let result = self.run(call).map(|(_, response)| drop(exchange::small_body(response.into_body(), max_time)));
        if result.is_ok() {
            self.remote.shared.add_request(call.method, RequestOutcome::Ok);
        }
        operation.end(result.as_ref().err().map_or(Ok(()), Err));
        result
    }

    /// Sends a request until it has an answer that counts.
    fn run(&self, call: &Call<'_>) -> Result<exchange::Answered, EngineError> {
        let mut exchange = Exchange::new(&self.remote, call)?;
        loop {
            match exchange.send() {
                Ok(Some(answered)) => return Ok(answered),
                Ok(None) => {}
                Err(error) => exchange.recover(error)?,
            }
        }
    }

    fn at(&self, call: &Call<'_>) -> At {
        let target = self.remote.target(call.name, &call.query, &self.remote.shared.region());
        At { method: call.method, target: target.shown() }
    }
}
