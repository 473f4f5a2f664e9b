//! What fuzz/ checks of the readers of this crate: in `condition/` and `test_results/`. The test runs each check on its seeds,
//! without a fuzzer.

pub use crate::condition::fuzzing::{escapes, flags, module_files};
pub use crate::test_results::fuzzing::go_source;

#[test]
fn seeds_pass() {
    testkit::check_seeds("module_files", module_files);
    testkit::check_seeds("flags", flags);
    testkit::check_seeds("escapes", escapes);
    testkit::check_seeds("go_source", go_source);
}
