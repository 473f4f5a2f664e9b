//! go.sum, and answers of module proxies and checksum databases.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    modproxy::fuzzing::proxy_files(bytes);
});
