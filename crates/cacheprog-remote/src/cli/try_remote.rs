//! The command `test`: what is wrong with a remote store, step by step.

use remote::limits;

use super::failure::{Failure, print};
use crate::engine::{Content, Engine, EngineError, PutBody};
use crate::object_name::ObjectName;
use sha2::{Digest, Sha256};

/// The name of what is put: that of a frame file with this content.
const BODY: &[u8] = b"nix-gocacheprog: cacheprog-remote test\n";

/// Tries each step, and ends with the first that fails.
pub(super) fn run(engine: &Engine, writes: bool) -> Result<(), Failure> {
    let sha256: [u8; 32] = Sha256::digest(BODY).into();
    let name = ObjectName::parse(&format!("o/{}", proto::id::hex(&sha256)))?;
    if writes {
        engine.put(&name, &PutBody { content: Content::Bytes(BODY), sha256 })?;
        print(&format!("writing: an object of {} bytes was put", BODY.len()))?;
    }
    match engine.get(&name, None, limits::MOST_FILE) {
        Ok(mut reply) => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut reply, &mut bytes)?;
            if bytes != BODY {
                return Err("reading: the object has other bytes than were put: does something between here and there change bodies?".into());
            }
            print("reading: the object came back as it was put")?;
        }
        Err(e) if e.is_missing() && !writes => {
            print("reading: the store answers; an object that was never put is not there")?;
        }
        Err(e) => return Err(e.into()),
    }
    if writes {
        range(engine, &name)?;
        remove(engine, &name)?;
    }
    print(if writes {
        "the remote store can be used"
    } else {
        "the remote store can be read; --write tries to write too"
    })
}

fn range(engine: &Engine, name: &ObjectName) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut engine.get(name, Some(4..13), 9)?, &mut bytes)?;
    if bytes != BODY[4..13] {
        return Err("reading a range: other bytes came than those of the range".into());
    }
    print("reading a range: its bytes came")
}

/// Keys that may not remove are as good: what is put has an age, and a rule of the store removes it.
fn remove(engine: &Engine, name: &ObjectName) -> Result<(), Failure> {
    match engine.delete(name) {
        Ok(()) => print("removing: the object is gone"),
        Err(EngineError::Denied { .. }) => {
            print("removing: these credentials may not; the object stays until a rule of the store removes it")
        }
        Err(e) => Err(e.into()),
    }
}
