//! The parts of conditions: any two texts are read and compared, and what is written of them is within the bound and is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use proto::limits;
use proto::parts::Parts;

fuzz_target!(|texts: (&[u8], &[u8])| {
    let [one, two] = [texts.0, texts.1].map(Parts::read);
    assert_eq!(one.differences(&two), two.differences(&one));
    assert!(one.differences(&one).is_empty());
    assert!(one.write().len() <= limits::PARTS);
});
