//! Modules as zip files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    modproxy::fuzzing::module_zip(bytes);
});
