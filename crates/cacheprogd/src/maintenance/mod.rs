//! What the daemon does beside its connections: evictor.rs keeps the store within its limits (`evict_process.rs` is the process that does
//! it), syncer.rs brings what was written to the disk, `clean_shutdown.rs` leaves a marker for the next daemon if that succeeded,
//! `storage_health.rs` notices whether puts can be stored, idle.rs when a daemon without work exits, systemd.rs notifies systemd.
//!
//! The accept loop (serve/) calls each of them at its turns; which entries are evicted and verified is the store's part.

pub(crate) mod clean_shutdown;
pub(crate) mod evict_process;
pub(crate) mod evictor;
pub(crate) mod idle;
pub(crate) mod storage_health;
pub(crate) mod syncer;
pub(crate) mod systemd;
