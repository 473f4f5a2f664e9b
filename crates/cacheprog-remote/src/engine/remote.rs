//! What all requests to a remote need: its address, its credentials, the HTTP client, and the state that they share.

use std::sync::Arc;

use remote::url::{Origin, Url};

use super::address::{Bucket, Target};
use super::http_client::{Connections, HttpClient};
use super::shared::Shared;
use crate::credentials::{Credentials, CredentialsError, CredentialsSource};
use crate::object_name::ObjectName;

/// Where requests go.
#[derive(Debug)]
pub(crate) enum Place {
    /// A bucket of an S3 engine.
    S3(Bucket),
    /// A directory of a server.
    Http { origin: Origin, prefix: String },
}

/// A remote.
#[derive(Debug)]
pub(crate) struct Remote {
    url: Url,
    place: Place,
    source: CredentialsSource,
    pub(crate) client: HttpClient,
    pub(crate) shared: Arc<Shared>,
}

impl Remote {
    pub(crate) fn new(url: &Url, place: Place, source: &CredentialsSource, connections: &Connections) -> Self {
        Self {
            url: url.clone(),
            place,
            source: source.clone(),
            client: HttpClient::new(connections),
            shared: Arc::new(Shared::default()),
        }
    }

    /// The bucket, of an S3 engine.
    pub(crate) fn bucket(&self) -> Option<&Bucket> {
        match &self.place {
            Place::S3(bucket) => Some(bucket),
            Place::Http { .. } => None,
        }
    }

    /// Where an object is, or all of them.
    pub(crate) fn target(&self, name: Option<&ObjectName>, query: &str, region: &str) -> Target {
        let mut target = match &self.place {
            Place::S3(bucket) => bucket.target(name, region),
            Place::Http { origin, prefix } => {
                let parts = [prefix.as_str(), name.map(ObjectName::as_str).unwrap_or_default()];
                let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                Target { origin: origin.clone(), path: format!("/{}", parts.join("/")), query: String::new() }
            }
        };
        query.clone_into(&mut target.query);
        target
    }

    /// The credentials as they were last read; they are read if none were.
    pub(crate) fn credentials(&self) -> Result<Credentials, CredentialsError> {
        if let Some(credentials) = self.shared.credentials() {
            return Ok(credentials);
        }
        let credentials = self.load_credentials()?;
        self.shared.set_credentials(Some(credentials.clone()));
        Ok(credentials)
    }

    /// Reads the credentials.
    pub(crate) fn load_credentials(&self) -> Result<Credentials, CredentialsError> {
        self.source.load(&self.url)
    }
}
