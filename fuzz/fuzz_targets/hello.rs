//! The first lines: hellos, requests of the control socket and its answers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    proto::fuzzing::hello(bytes);
});
