//! The policy for poisoned locks, in one place: continue.
//!
//! What our locks guard is changed in single steps (insert, remove, push), so that a panic elsewhere cannot leave it half
//! changed, and a cache that stops serving is of no use.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, poisoned or not.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
