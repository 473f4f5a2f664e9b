//! Derivations.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    prebuild_hook::fuzzing::drv(bytes);
});
