//! What Go's keys leave out, and results depend on all the same.
//!
//! [`conditions`] has the scopes and their digests. [`invocation`] tells whether the go command brings in what no key holds, and
//! [`toolchain`] what its toolchain is. Of the environment, [`counted_variables`] are the variables that count ([`own_outputs`] and
//! [`flags_text`] are what does not, unless a program that is a script has its name ([`named_variables`]); [`go_env`] are those that
//! `go env -w` wrote), and [`programs`] the compilers. Who asks, and what follows from it, is decided elsewhere.

mod budget;
pub(crate) mod build_constraint;
mod command_line_digest;
mod conditions;
pub(crate) mod counted_variables;
mod escapes;
mod excluded;
mod file_lists;
mod files;
mod flag_programs;
mod flags_text;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(crate) mod go_env;
pub(crate) mod invocation;
mod made_archive;
mod modules;
mod named_variables;
mod own_outputs;
mod paths;
pub(crate) mod programs;
mod quoted;
mod scope_choice;
mod setting;
pub(crate) mod stamp;
pub(crate) mod toolchain;
mod tree;
pub(crate) mod variables;

pub(crate) use budget::MAX_TIME;
pub(crate) use conditions::Conditions;
pub(crate) use excluded::{is_of_nix, is_of_programs, is_temporary_name};
pub(crate) use flags_text::is_of_flags;
pub(crate) use made_archive::MadeArchive;
pub(crate) use own_outputs::OwnOutputs;
pub(crate) use paths::SHARED_MEMORY;
pub(crate) use paths::STORE;
pub(crate) use setting::Setting;

#[cfg(test)]
pub(crate) mod tree_fixture;
