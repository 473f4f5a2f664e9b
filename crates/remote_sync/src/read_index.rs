//! The newest index of one key, verified.

use remote::content_hash::ContentHash;
use remote::head::{Head, HeadError};
use remote::index::{Index, IndexError};
use remote::keys::{PublicKey, TrustedKeys};
use remote::series::Series;
use remote::{limits, name};
use store::StoreError;

use crate::objects::{ObjectError, Objects, whole};
use crate::seen_heads::State;

/// How often a head is asked for where an older one came than was seen.
const TRIES: usize = 3;

/// Why there is no index of a key.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The engine does not give it.
    #[error("reading {0}")]
    Object(String, #[source] ObjectError),
    /// The head is not to be used.
    #[error("{0} is not used")]
    Head(String, #[source] HeadError),
    /// Its counter cannot be kept.
    #[error("the counter of {0} cannot be kept")]
    State(String, #[source] StoreError),
    /// The index is not to be used.
    #[error("{0} is not used")]
    Index(String, #[source] IndexError),
    /// The head names an index that is not there: a rule of the store removed it, or it was never put.
    #[error("{0} is not there, and a head names it")]
    NoIndex(String),
    /// Its bytes are others.
    #[error("{0} has other bytes than its name says")]
    OtherBytes(String),
}

/// Where indexes are read from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) objects: &'a dyn Objects,
    pub(crate) state: &'a State<'a>,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

impl Source<'_> {
    /// The same as [`Self::read`], and its counter is kept: an older head is not taken any more. An index whose counter cannot be kept is not
    /// used.
    pub(crate) fn take(&self, series: &Series, key: &PublicKey) -> Result<Option<(Head, Index)>, ReadError> {
        let found = self.read(series, key)?;
        if let Some((head, _)) = &found {
            let at = name::head(series, &key.id());
            self.state.note(&at, head.counter).map_err(|e| ReadError::State(at, e))?;
        }
        Ok(found)
    }

    /// The head that this key has for the series, and its index; `None`: it has none.
    pub(crate) fn read(&self, series: &Series, key: &PublicKey) -> Result<Option<(Head, Index)>, ReadError> {
        let Some(head) = self.head(series, key)? else { return Ok(None) };
        let trusted = TrustedKeys::new(vec![key.clone()]);
        let index = self.index(&head.index)?;
        let in_index = |e| ReadError::Index(name::index(&head.index), e);
        let index = Index::read(&index, series, &trusted).map_err(in_index)?.0;
        Ok(Some((head, index)))
    }

    /// The head alone. It is not noted: its index may be of no use. A cluster may have an old copy beside the new ones (`OpenStack` Swift,
    /// where a node was away and has not caught up): another request may find a new one.
    pub(crate) fn head(&self, series: &Series, key: &PublicKey) -> Result<Option<Head>, ReadError> {
        for _ in 1..TRIES {
            match self.head_once(series, key) {
                Err(ReadError::Head(_, HeadError::Older { .. })) => {}
                found => return found,
            }
        }
        self.head_once(series, key)
    }

    fn head_once(&self, series: &Series, key: &PublicKey) -> Result<Option<Head>, ReadError> {
        let trusted = TrustedKeys::new(vec![key.clone()]);
        let at = name::head(series, &key.id());
        let bytes = whole(self.objects, &at, limits::HEAD).map_err(|e| ReadError::Object(at.clone(), e))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let seen = |_: &PublicKey| self.state.seen(&at);
        let head = Head::read(&bytes, series, &trusted, self.now, seen);
        head.map(|(head, _)| Some(head)).map_err(|e| ReadError::Head(at.clone(), e))
    }

    fn index(&self, hash: &ContentHash) -> Result<Vec<u8>, ReadError> {
        if let Some(known) = self.state.index(hash) {
            return Ok(known);
        }
        let at = name::index(hash);
        let bytes = whole(self.objects, &at, limits::INDEX).map_err(|e| ReadError::Object(at.clone(), e))?;
        let bytes = bytes.ok_or_else(|| ReadError::NoIndex(at.clone()))?;
        if ContentHash::of(&bytes) != *hash {
            return Err(ReadError::OtherBytes(at));
        }
        self.state.keep_index(hash, &bytes);
        Ok(bytes)
    }
}
