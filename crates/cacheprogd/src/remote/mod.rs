//! A store that machines share (`[remote]` of the settings): what trusted keys signed for builds of a name comes when such a build is
//! registered (`begin_prefetch.rs`, prefetch.rs; a get waits for it in awaited.rs; where most of it was of no use, `on_demand.rs`),
//! and what a build of this machine used goes there after its end (upload.rs).
//!
//! This process has no network: it asks cacheprog-remote for objects by name, and believes nothing of what it is given but what
//! the signatures and hashes say (crate `remote_sync`). tier.rs has the settings and what was counted.

mod awaited;
pub(crate) mod begin_prefetch;
mod daily_bytes;
mod kept_file;
mod on_demand;
pub(crate) mod prefetch;
pub(crate) mod removed_keys;
pub(crate) mod tier;
pub(crate) mod upload;
mod upload_queue;
mod usefulness;
