//! What our daemon sends, version 2: what is read is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::wire::Reply;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((id, reply))) = Reply::read(&mut rest) {
        let mut again = Vec::new();
        reply.write(id, &mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again));
    }
});
