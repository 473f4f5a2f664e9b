//! The parts of conditions.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    proto::fuzzing::parts(bytes);
});
