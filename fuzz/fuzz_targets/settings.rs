//! Settings of the daemon and of the hook, and what the hook reads of a process.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    settings::fuzzing::settings(bytes);
    prebuild_hook::fuzzing::settings(bytes);
});
