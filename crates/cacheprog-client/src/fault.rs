//! Faults of this program: a panic costs the request that it happened in, and nothing else. It must neither end this process
//! nor leave cmd/go without an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The result of `work`, `None` where it panicked. The caller then answers the request; if `work` answered it before, or
/// another thread answers it later, only the first answer counts (gocmd/responder.rs).
pub(crate) fn catch_fault<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
