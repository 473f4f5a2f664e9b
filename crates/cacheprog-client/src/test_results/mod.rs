//! Results of tests: a result of one build stands for the same test in another build while the test's inputs are the same.
//!
//! [`test_logs`] finds results and logs among the puts; [`test_inputs`] makes the list of a result's inputs, and checks the list
//! of a result that another build put. `log_files` reads a log, [`content_hash`] digests what is at a path, `budget` tells when to
//! stop, `surroundings` are variables and `-exec`. `data_tree` is the data of a module or of the whole tree, `walk` how it is read,
//! `current_tree` when. `main_module` knows where packages are;
//! `beyond_log` tells whether tests see more than their logs show, by what `go_source` and `variable_reads` find in a file. `changes` tells whether a run left
//! something behind, also while `other_tests` run; `random_names` are those of what is left; `servers` whether a test may have asked one.

mod beyond_log;
mod budget;
mod changes;
mod content_hash;
mod current_tree;
mod data_tree;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod go_source;
mod log_files;
mod main_module;
mod other_tests;
mod random_names;
mod servers;
mod surroundings;
pub(crate) mod test_inputs;
pub(crate) mod test_logs;
mod variable_reads;
mod walk;
