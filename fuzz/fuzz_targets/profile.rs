//! Build profiles.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    proto::fuzzing::profile(bytes);
    miss_causes::fuzzing::profile(bytes);
});
