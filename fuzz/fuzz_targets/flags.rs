//! `GOFLAGS` and command lines.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cacheprog_client::fuzzing::flags(bytes);
});
