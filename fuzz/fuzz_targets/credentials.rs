//! Files of credentials.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cacheprog_remote::fuzzing::credentials(bytes));
