//! Results of tests that stand for the same test in another build.

pub(crate) mod content_hash;
pub(crate) mod module_tree;
pub(crate) mod test_inputs;
pub(crate) mod test_logs;
