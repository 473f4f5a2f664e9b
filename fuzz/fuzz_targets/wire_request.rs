//! What our client sends, version 2: what is read is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::wire::Request;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((id, request))) = Request::read(&mut rest) {
        let mut again = Vec::new();
        request.write(id, &mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again));
    }
});
