//! What the setup hook evaluates (`cacheprog-client env PHASE`): shell commands, or nothing.
//!
//! [`exports`] has the commands at the phases of a build, with the environment variables that lead go commands to the cache;
//! `module_proxy` those for a module proxy. [`summary`] prints the line at the end of the build's log, [`shell`] quotes.

pub(crate) mod exports;
mod module_proxy;
pub(crate) mod shell;
pub(crate) mod summary;
