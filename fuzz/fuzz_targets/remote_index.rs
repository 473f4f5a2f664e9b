//! What is read of a remote store: indexes, heads, frames.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    remote::fuzzing::index(bytes);
    remote::fuzzing::head(bytes);
    remote::fuzzing::frame(bytes);
});
