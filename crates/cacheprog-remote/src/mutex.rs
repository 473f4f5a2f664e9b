//! The policy for poisoned locks, in one place: go on. What our lock guards is changed in single steps, so a panic elsewhere
//! cannot leave it half done.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
