//! go.mod, go.work and vendor/modules.txt.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    cacheprog_client::fuzzing::module_files(bytes);
});
