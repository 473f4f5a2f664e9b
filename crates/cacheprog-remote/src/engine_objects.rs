//! An engine's objects.

use std::ops::Range;

use remote::limits;
use remote_sync::objects::{Body, ObjectError, Objects};
use sha2::{Digest, Sha256};

use crate::engine::{Content, Engine, EngineError, PutBody};
use crate::object_name::ObjectName;

impl Objects for Engine {
    fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        match self.get(&parse(name)?, range, limits::MOST_FILE) {
            Ok(reply) => Ok(Some(Box::new(reply))),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(error(e)),
        }
    }

    fn put(&self, name: &str, body: &[u8]) -> Result<(), ObjectError> {
        let sha256 = Sha256::digest(body).into();
        self.put(&parse(name)?, &PutBody { content: Content::Bytes(body), sha256 }).map_err(error)
    }
}

fn parse(name: &str) -> Result<ObjectName, ObjectError> {
    ObjectName::parse(name).map_err(|e| ObjectError::Other(e.into()))
}

fn error(e: EngineError) -> ObjectError {
    if matches!(e, EngineError::Denied { .. }) { ObjectError::Denied(e.into()) } else { ObjectError::Other(e.into()) }
}
