//! Our frames, both ways: what is read is written back to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::wire::{Reply, Request};

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some(request)) = Request::read(&mut rest) {
        let mut again = Vec::new();
        request.write(&mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again));
    }
    let mut rest = bytes;
    while let Ok(Some(reply)) = Reply::read(&mut rest) {
        let mut again = Vec::new();
        reply.write(&mut again);
        assert!(bytes[..bytes.len() - rest.len()].ends_with(&again));
    }
});
