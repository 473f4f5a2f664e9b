//! The records of an action, a line each: whatever is accepted is read back from what it is written as, and within the bounds. Each line is
//! tried with a right checksum too, which no fuzzer finds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::{ActionId, limits};
use store::{BuildName, Record};

const ACTION: ActionId = ActionId([1; 32]);

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        check(line);
        if let Some(end) = line.iter().rposition(|&byte| byte == b'\t') {
            let text = &line[..=end];
            let sum = blake3::Hasher::new().update(&ACTION.0).update(text).finalize().to_hex();
            check(&[text, &sum.as_bytes()[..16], b"\n"].concat());
        }
    }
});

fn check(line: &[u8]) {
    let Some(record) = Record::parse(line, &ACTION) else { return };
    assert_eq!(Record::parse(record.to_line(&ACTION).as_bytes(), &ACTION).as_ref(), Some(&record));
    assert!(record.origin.name.as_str().len() <= BuildName::LONGEST);
    assert!(record.condition.is_none_or(|condition| condition.scope.as_str().len() <= limits::SCOPE));
}
