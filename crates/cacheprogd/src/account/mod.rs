//! Build profiles in the daemon: made of a trace when somebody asks or the build is over, and kept for the builds in the history.
//! What a profile holds is proto's (profile.rs), and why a build missed is compared in crate misses.
//!
//! make.rs makes a profile, with what packages say of themselves (store: archive.rs); saved.rs keeps profiles on the disk; live.rs
//! says when the profile of a live build is made again.

mod live;
mod make;
mod saved;

pub(crate) use live::{Asker, Live};
pub(crate) use make::make;
pub(crate) use saved::Saved;
