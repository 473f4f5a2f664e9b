//! An engine's objects.

use std::ops::Range;

use remote::limits;
use sha2::{Digest, Sha256};

use crate::engine::{Content, Engine, PutBody};
use crate::object_name::ObjectName;

use super::objects::{Body, ObjectError, Objects};

impl Objects for Engine {
    fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        match self.get(&ObjectName::parse(name)?, range, limits::MOST_FILE) {
            Ok(reply) => Ok(Some(Box::new(reply))),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn put(&self, name: &str, body: &[u8]) -> Result<(), ObjectError> {
        let sha256 = Sha256::digest(body).into();
        Ok(self.put(&ObjectName::parse(name)?, &PutBody { content: Content::Bytes(body), sha256 })?)
    }
}
