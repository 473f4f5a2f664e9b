//! Results of tests: a result of one build stands for the same test in another build while the test's inputs are the same.
//!
//! [`test_logs`] finds results and logs among the puts; [`test_inputs`] makes the list of a result's inputs, and checks the list
//! of a result that another build put. `log_files` reads a log, [`content_hash`] digests what is at a path, `budget`
//! tells when to stop, `module_tree` is the data of the module, `package` where a test runs.

mod budget;
mod content_hash;
mod log_files;
mod module_tree;
mod package;
pub(crate) mod test_inputs;
pub(crate) mod test_logs;
