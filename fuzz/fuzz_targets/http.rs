//! Requests to the page and to the module proxy.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cacheprogd::fuzzing::http(bytes);
    modproxy::fuzzing::http(bytes);
});
