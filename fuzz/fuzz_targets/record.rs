//! The record of an action: whatever is accepted is written back to the same line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::ActionId;
use store::Record;

fuzz_target!(|bytes: &[u8]| {
    let action = ActionId([1; 32]);
    if let Some(record) = Record::parse(bytes, &action) {
        assert_eq!(record.to_line(&action).as_bytes(), bytes);
    }
});
