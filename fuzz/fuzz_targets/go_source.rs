//! Go sources, and the output of tests.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cacheprog_client::fuzzing::go_source(bytes);
});
