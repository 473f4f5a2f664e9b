//! A derivation: no bytes panic or take long.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    drop(prebuild_hook::drv::parse(bytes));
});
