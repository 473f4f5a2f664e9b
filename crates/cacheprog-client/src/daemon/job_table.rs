//! The jobs for which files have to be read: their queue, and which of them are not answered yet. The code that takes a job out of
//! the table answers it, so each is answered once. Nothing is read here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proto::OutputId;
use proto::gocmd::Hit;

use crate::gocmd::cache::PutHeader;
use crate::mutex::lock;
use crate::put_body::PutBody;
use crate::test_results::test_logs::TestResult;

use super::in_flight::InFlightRequest;

/// Jobs that wait. A go command has as many gets and puts under way as it runs actions side by side, one for each processor.
const MAX_JOBS: usize = 256;

/// How long a job may wait for its turn, as a request waits for the daemon's reply: on a slow disk each job before it may take
/// as long.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// After this time a job is answered without its files, even while one of them is read: that call may never return, as on a file
/// system whose server is gone. A slow disk needs less.
const MAX_WORK: Duration = Duration::from_secs(10);

/// A job.
#[derive(Debug)]
pub(super) enum Job {
    /// A result that another build put. It is a hit while its list of inputs is current.
    Offer {
        /// The get.
        request: InFlightRequest,
        hit: Hit,
        /// The file of the list.
        list: PathBuf,
    },
    /// A test's result, to be put with the list of its inputs.
    Result { id: i64, put: PutHeader, body: Arc<PutBody>, result: Arc<TestResult> },
}

/// What is to be done for a job, which stays in the table meanwhile.
pub(super) enum Task {
    CheckList(Hit, PathBuf),
    MakeList(Arc<TestResult>, OutputId),
}

#[derive(Debug)]
pub(super) struct JobTable {
    numbers: SyncSender<u64>,
    /// Held for one look-up.
    open: Mutex<OpenJobs>,
}

/// Jobs without an answer.
#[derive(Debug, Default)]
struct OpenJobs {
    /// By their numbers, so that the first one is the oldest.
    jobs: BTreeMap<u64, (Instant, Job)>,
    next: u64,
    /// The thread has worked on one job for [`MAX_WORK`]. It gets no more jobs until it has finished that one.
    hangs: bool,
}

impl JobTable {
    /// An empty table, and the queue of the numbers of its jobs. Without a receiver no job is taken.
    pub(super) fn new() -> (Self, Receiver<u64>) {
        let (numbers, queue) = sync_channel(MAX_JOBS);
        (Self { numbers, open: Mutex::default() }, queue)
    }

    /// Queues a job; gives it back where there are too many, or no thread works on them.
    pub(super) fn queue(&self, job: Job) -> Result<(), Box<Job>> {
        let mut open = lock(&self.open);
        if open.hangs || self.numbers.try_send(open.next).is_err() {
            return Err(Box::new(job));
        }
        let number = open.next;
        open.next += 1;
        open.jobs.insert(number, (Instant::now(), job));
        Ok(())
    }

    /// What is to be done for a job. `None` where it is answered, or has waited too long for its turn.
    pub(super) fn task(&self, number: u64) -> Option<Task> {
        let open = lock(&self.open);
        let (_, job) = open.jobs.get(&number).filter(|(since, _)| since.elapsed() < MAX_WAIT)?;
        Some(match job {
            Job::Offer { hit, list, .. } => Task::CheckList(hit.clone(), list.clone()),
            Job::Result { put, result, .. } => Task::MakeList(result.clone(), put.output.id),
        })
    }

    /// Takes a job out that the thread has finished, unless it was answered before.
    pub(super) fn take(&self, number: u64) -> Option<Job> {
        let mut open = lock(&self.open);
        open.hangs = false;
        open.jobs.remove(&number).map(|(_, job)| job)
    }

    /// Takes all jobs out if the oldest is overdue, since the others wait for it; and whether none is left.
    pub(super) fn take_overdue(&self, now: Instant) -> (Vec<Job>, bool) {
        let mut open = lock(&self.open);
        let mut late = Vec::new();
        if open.jobs.first_key_value().is_some_and(|(_, (since, _))| now.duration_since(*since) >= MAX_WORK) {
            open.hangs = true;
            late.extend(std::mem::take(&mut open.jobs).into_values().map(|(_, job)| job));
        }
        (late, open.jobs.is_empty())
    }
}
