//! Memory for frames that are being fetched.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Four streams with a full frame each, packed and unpacked, and half as much again for larger outputs.
pub const FRAMES: u64 = 48 << 20;

/// A limit of the bytes that all pulls of a process hold in frames.
#[derive(Debug)]
pub struct FrameMemory {
    most: u64,
    /// Bytes that are held.
    held: Mutex<u64>,
    freed: Condvar,
}

/// A part of it, until it is dropped.
#[derive(Debug)]
pub(crate) struct FrameBuffer<'a> {
    memory: &'a FrameMemory,
    bytes: u64,
}

impl FrameMemory {
    /// So many bytes.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Self { most, held: Mutex::new(0), freed: Condvar::new() }
    }

    /// Waits until so many bytes are free; `None` where they are not by then. More than the limit waits until all is free: an
    /// output may be larger.
    pub(crate) fn hold(&self, bytes: u64, until: Instant) -> Option<FrameBuffer<'_>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |held: &mut u64| *held > 0 && *held + bytes > self.most;
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.freed.wait_timeout_while(held, left, is_full).unwrap_or_else(PoisonError::into_inner);
        let (mut held, timeout) = waited;
        if timeout.timed_out() {
            return None;
        }
        *held += bytes;
        Some(FrameBuffer { memory: self, bytes })
    }
}

impl Drop for FrameBuffer<'_> {
    fn drop(&mut self) {
        *self.memory.held.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.memory.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn no_more_is_held_than_there_is_and_a_larger_part_alone() {
        let (memory, now, most) = (FrameMemory::new(10), AtomicU64::new(0), AtomicU64::new(0));
        let until = Instant::now() + Duration::from_secs(3600);
        thread::scope(|scope| {
            for bytes in [3, 4, 6, 3, 30, 4, 6].repeat(20) {
                let (memory, now, most) = (&memory, &now, &most);
                scope.spawn(move || {
                    let held = memory.hold(bytes, until).unwrap();
                    let together = now.fetch_add(bytes, SeqCst) + bytes;
                    assert!(together <= 10 || together == 30, "{together} bytes at once");
                    most.fetch_max(together, SeqCst);
                    thread::yield_now();
                    now.fetch_sub(bytes, SeqCst);
                    drop(held);
                });
            }
        });
        assert_eq!((most.into_inner(), *memory.held.lock().unwrap()), (30, 0));
        let all = memory.hold(10, until);
        assert!(memory.hold(1, Instant::now()).is_none(), "there is no time to wait");
        drop(all);
    }
}
