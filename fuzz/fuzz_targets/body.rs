//! The bodies of puts: what kind they are, compiled packages, and indexes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    store::fuzzing::body(bytes);
    cacheprogd::fuzzing::body(bytes);
});
