//! Paths in sources that lead out of a module.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cacheprog_client::fuzzing::escapes(bytes);
});
