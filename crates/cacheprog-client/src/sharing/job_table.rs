//! The jobs for which files have to be read: their queue, and which of them are not answered yet. The code that takes a job out of
//! the table answers it, so each is answered once. Nothing is read here.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::mutex::lock;

/// Jobs that wait. A go command has as many gets and puts under way as it runs actions side by side, one for each processor.
const MAX_JOBS: usize = 256;

/// After this time a job is answered without its files: the first look at a large tree may take as long, and a call may never return,
/// as on a file system whose server is gone.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// What the thread is woken for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wake {
    /// The job with this number.
    Job(u64),
    /// Entries are to be shared, or it is the end.
    Shares,
}

#[derive(Debug)]
pub(super) struct JobTable<J> {
    wake: SyncSender<Wake>,
    /// Held for one look-up.
    open: Mutex<OpenJobs<J>>,
}

/// Jobs without an answer.
#[derive(Debug)]
struct OpenJobs<J> {
    /// By their numbers, so that the first one is the oldest.
    jobs: BTreeMap<u64, (Instant, J)>,
    next: u64,
    /// The thread has worked for [`MAX_WAIT`] while a job waited. It gets no more jobs until it goes on.
    hangs: bool,
}

impl<J> JobTable<J> {
    /// An empty table, and the queue of what wakes the thread. Without a receiver no job is taken.
    pub(super) fn new() -> (Self, Receiver<Wake>) {
        let (wake, queue) = sync_channel(MAX_JOBS);
        let open = OpenJobs { jobs: BTreeMap::new(), next: 0, hangs: false };
        (Self { wake, open: Mutex::new(open) }, queue)
    }

    /// Queues a job; gives it back where there are too many, or no thread works on them.
    pub(super) fn queue(&self, job: J) -> Result<(), Box<J>> {
        let mut open = lock(&self.open);
        if open.hangs || self.wake.try_send(Wake::Job(open.next)).is_err() {
            return Err(Box::new(job));
        }
        let number = open.next;
        open.next += 1;
        open.jobs.insert(number, (Instant::now(), job));
        Ok(())
    }

    /// Wakes the thread. If its queue is full, it is awake.
    pub(super) fn wake(&self) {
        let _is_awake = self.wake.try_send(Wake::Shares).is_err();
    }

    /// What is to be done for a job. `None` where it is answered.
    pub(super) fn task<T>(&self, number: u64, task: impl FnOnce(&J) -> T) -> Option<T> {
        lock(&self.open).jobs.get(&number).map(|(_, job)| task(job))
    }

    /// Takes a job out that the thread has finished, unless it was answered before.
    pub(super) fn take(&self, number: u64) -> Option<J> {
        let mut open = lock(&self.open);
        open.hangs = false;
        open.jobs.remove(&number).map(|(_, job)| job)
    }

    /// Takes out the jobs that waited too long; and whether none is left.
    pub(super) fn take_overdue(&self, now: Instant) -> (Vec<J>, bool) {
        let mut open = lock(&self.open);
        let late = open.jobs.extract_if(.., |_, (since, _)| now.duration_since(*since) >= MAX_WAIT);
        let late: Vec<J> = late.map(|(_, (_, job))| job).collect();
        open.hangs |= !late.is_empty();
        (late, open.jobs.is_empty())
    }

    /// Takes out all jobs: the go command ends.
    pub(super) fn take_all(&self) -> Vec<J> {
        std::mem::take(&mut lock(&self.open).jobs).into_values().map(|(_, job)| job).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_waits_too_long_is_taken_out_and_no_more_are_queued() {
        let (table, queue) = JobTable::new();
        table.queue('a').unwrap();
        table.queue('b').unwrap();
        assert_eq!(table.task(0, |job| *job), Some('a'));
        assert_eq!(table.take_overdue(Instant::now()), (Vec::new(), false));
        assert_eq!(table.take(0), Some('a'));
        assert_eq!(table.take(0), None);
        assert_eq!(table.take_overdue(Instant::now() + MAX_WAIT), (vec!['b'], true));
        assert_eq!(table.queue('c'), Err(Box::new('c')), "the thread hangs");
        assert_eq!(table.task(1, |job| *job), None);
        table.take(1);
        table.queue('c').unwrap();
        assert_eq!(table.take_all(), ['c']);
        drop(queue);
        assert_eq!(table.queue('d'), Err(Box::new('d')), "no thread");
    }

    #[test]
    fn a_full_queue_takes_no_job() {
        let (table, _queue) = JobTable::new();
        (0..MAX_JOBS).for_each(|n| table.queue(n).unwrap());
        assert_eq!(table.queue(1000), Err(Box::new(1000)));
        table.wake();
    }
}
