//! What has a thread of its own, as it reads the files of a module: lists of tests' results are made and checked there. The
//! thread that reads cmd/go and the one that reads the daemon go on meanwhile, and answers come in any order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use proto::gocmd::Hit;
use proto::wire::Request;

use crate::answers::NOWHERE;
use crate::cache::Put;
use crate::clock;
use crate::environment::Places;
use crate::held::Held;
use crate::inputs::TestResult;
use crate::link::{Ask, Pending};
use crate::lists::Lists;
use crate::own::is_there;

use super::Shared;

/// Jobs that wait. A go command has as many gets and puts under way as it runs actions side by side, one for each processor.
const MOST_JOBS: usize = 256;

/// How long a job may wait for its turn, as a request for the daemon's answer: on a disk that hangs each before it may take so long.
const MOST_WAIT: Duration = Duration::from_secs(2);

/// A walk through a module's directories, and a buffer to read files with.
const STACK: usize = 512 << 10;

/// A job. Whoever takes it answers it.
#[derive(Debug)]
pub(super) enum Job {
    /// A result that another build put: a hit while its list holds.
    Offer {
        /// The get.
        pending: Pending,
        hit: Hit,
        /// The file of the list.
        list: PathBuf,
    },
    /// A test's result, to be put with its list.
    Result { id: i64, put: Put, body: Arc<Held>, result: TestResult },
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Jobs(SyncSender<(Instant, Job)>);

/// The thread's end of it.
#[derive(Debug)]
pub(super) struct Queue(Receiver<(Instant, Job)>);

/// Both ends.
pub(super) fn queue() -> (Jobs, Queue) {
    let (jobs, queue) = sync_channel(MOST_JOBS);
    (Jobs(jobs), Queue(queue))
}

impl Jobs {
    /// Hands a job over; gives it back where there are too many, or nobody does any.
    pub(super) fn give(&self, job: Job) -> Result<(), Box<Job>> {
        self.0.try_send((Instant::now(), job)).map_err(|e| match e {
            TrySendError::Full((_, job)) | TrySendError::Disconnected((_, job)) => Box::new(job),
        })
    }
}

impl Queue {
    /// Starts the thread, which ends with the process. Where it does not start, jobs are given back.
    pub(super) fn start(self, places: Places, shared: Arc<Shared>) {
        let mut lists = Lists::new(places, clock::now());
        let run = move || {
            for (since, job) in self.0 {
                if since.elapsed() < MOST_WAIT { shared.work(&mut lists, job) } else { shared.go_without(job) }
            }
        };
        drop(thread::Builder::new().name("lists".to_owned()).stack_size(STACK).spawn(run));
    }
}

impl Shared {
    /// A put; with the list of what a test looked at, if it is a test's result.
    pub(super) fn put(&self, id: i64, put: Put, body: Arc<Held>, result: Option<TestResult>) {
        match result {
            Some(result) => {
                self.link.owe();
                self.hand_over(Job::Result { id, put, body, result });
            }
            None => self.ask(id, Ask::Put(put, body, None)),
        }
    }

    pub(super) fn hand_over(&self, job: Job) {
        if let Err(job) = self.jobs.give(job) {
            self.go_without(*job);
        }
    }

    /// A job that is not done: nothing is shared.
    fn go_without(&self, job: Job) {
        match job {
            Job::Offer { pending, .. } => self.reject(&pending),
            Job::Result { id, put, body, .. } => self.ask(id, Ask::Put(put, body, None)),
        }
        self.link.answered();
    }

    /// What the thread for it does of a job.
    fn work(&self, lists: &mut Lists, job: Job) {
        match job {
            Job::Offer { pending, hit, list } => {
                let holds = catch_unwind(AssertUnwindSafe(|| is_there(&hit) && lists.hold(&list, &hit.output)));
                if holds.unwrap_or(false) {
                    self.answers.hit(pending.id, &hit);
                    self.link.tell(&pending.connection, pending.wire_id, &Request::Accepted(0));
                } else {
                    self.reject(&pending);
                }
            }
            Job::Result { id, put, body, result } => {
                let done = catch_unwind(AssertUnwindSafe(|| {
                    let list = lists.make(&result, &put.output);
                    self.ask(id, Ask::Put(put, body, list.map(Arc::from)));
                }));
                if done.is_err() {
                    self.answers.stored(id, NOWHERE);
                }
            }
        }
        self.link.answered();
    }
}
