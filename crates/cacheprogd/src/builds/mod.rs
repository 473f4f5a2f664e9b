//! The live builds: registry.rs makes them, restores them after a restart (restore.rs) and removes them at their end
//! (removal.rs); build.rs is one of them; `state_file.rs` is what a restarted daemon must know of it; liveness.rs finds out
//! whether it still runs; quota.rs how much it may put, counters.rs what it did.
//!
//! What a build asks for is session/'s; what is remembered of it afterwards is telemetry/'s.

pub(crate) mod build;
pub(crate) mod counters;
mod liveness;
pub(crate) mod quota;
pub(crate) mod registry;
pub(crate) mod removal;
mod restore;
pub(crate) mod state_file;
