//! Bodies that S3 engines send: errors and listings.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| cacheprog_remote::fuzzing::s3_bodies(bytes));
