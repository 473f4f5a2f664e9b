//! What cmd/go says.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    proto::fuzzing::request(bytes);
});
