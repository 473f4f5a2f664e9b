//! What fuzz/ checks of the readers of this crate: in `condition/` and `test_results/`. The test runs each check on its seeds,
//! without a fuzzer.

pub use crate::condition::fuzzing::{escapes, flags, module_files};
pub use crate::test_results::fuzzing::go_source;

#[test]
fn seeds_pass() {
    let targets: [(&str, fn(&[u8])); 4] =
        [("module_files", module_files), ("flags", flags), ("escapes", escapes), ("go_source", go_source)];
    for (target, check) in targets {
        testkit::seeds(target).iter().for_each(|seed| check(seed));
    }
}
