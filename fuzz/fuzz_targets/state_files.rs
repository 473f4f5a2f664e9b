//! The files in the daemon's state directory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    store::fuzzing::state_file(bytes);
    cacheprogd::fuzzing::state_files(bytes);
});
