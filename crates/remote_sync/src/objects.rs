//! Objects by name, as an engine has them.

use std::io::Read;
use std::ops::Range;

/// What an engine cannot do: its sentence names the thing and the fix.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The engine refuses it. S3 engines also answer so for what is not there, where the credentials may not list the bucket.
    #[error(transparent)]
    Denied(Box<dyn std::error::Error + Send + Sync>),
    /// Anything else.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

impl From<std::io::Error> for ObjectError {
    fn from(e: std::io::Error) -> Self {
        Self::Other(e.into())
    }
}

impl From<&str> for ObjectError {
    fn from(text: &str) -> Self {
        Self::Other(text.into())
    }
}

/// A body that is being read.
pub type Body<'a> = Box<dyn Read + Send + 'a>;

/// An engine, or what stands for one in a test.
pub trait Objects: std::fmt::Debug + Sync {
    /// The bytes of an object, or those of a range of it; `None`: there is no such object. A body may break off.
    ///
    /// # Errors
    /// Where the engine does not give it.
    fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError>;

    /// Puts an object. One that is there is replaced.
    ///
    /// # Errors
    /// Where the engine does not take it.
    fn put(&self, name: &str, body: &[u8]) -> Result<(), ObjectError>;
}

/// A whole object; `None`: there is none. More than `most` bytes are not read.
pub(crate) fn whole(objects: &dyn Objects, name: &str, most: usize) -> Result<Option<Vec<u8>>, ObjectError> {
    let Some(body) = objects.get(name, None)? else { return Ok(None) };
    let mut bytes = Vec::new();
    body.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
