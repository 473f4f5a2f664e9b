//! Makes and checks the lists of tests' inputs, on a thread of its own since it reads the files of a module. The threads that
//! read cmd/go and the daemon continue meanwhile, and answers come in any order.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use std::{io, thread};

use crate::clock;
use crate::fault::catch_fault;
use crate::gocmd::cache::PutHeader;
use crate::gocmd::responder::MISSING_PATH;
use crate::put_body::PutBody;
use crate::read_your_writes::is_there;
use crate::test_context::TestContext;
use crate::test_results::test_inputs::TestInputs;
use crate::test_results::test_logs::TestResult;

use super::dispatch::Dispatcher;
use super::job_table::{Job, JobTable, Task};
use super::operation::{Operation, Put};

/// How often overdue jobs are looked for, while there are jobs.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// A walk through a module's directories, and a buffer to read files with.
const STACK: usize = 512 << 10;

/// Answers need little: a body is copied to the spool in small pieces.
const OVERDUE_STACK: usize = 256 << 10;

/// The jobs, with the way to answer them.
#[derive(Debug)]
pub(super) struct TestResultJobs {
    dispatcher: Arc<Dispatcher>,
    table: JobTable,
}

/// What was found out for a job.
enum Outcome {
    ListIsCurrent,
    List(Arc<[u8]>),
    /// Nothing is shared.
    Nothing,
}

impl TestResultJobs {
    /// Starts the thread, which ends with the process. Without a context, or where it does not start, no result is shared.
    pub(super) fn start(dispatcher: Arc<Dispatcher>, context: Option<TestContext>) -> Arc<Self> {
        let (table, queue) = JobTable::new();
        let jobs = Arc::new(Self { dispatcher, table });
        if let Some(context) = context {
            let (shared, mut inputs) = (jobs.clone(), TestInputs::new(context, clock::now()));
            let run = move || shared.work_through(&queue, &mut inputs);
            drop(thread::Builder::new().name("test-results".to_owned()).stack_size(STACK).spawn(run));
        }
        jobs
    }

    /// Puts a test's result, when the list of its inputs is made.
    pub(super) fn put(&self, id: i64, put: PutHeader, body: PutBody, result: TestResult) {
        self.dispatcher.in_flight.add_outstanding();
        self.queue(Job::Result { id, put, body: Arc::new(body), result: Arc::new(result) });
    }

    pub(super) fn queue(&self, job: Job) {
        if let Err(job) = self.table.queue(job) {
            self.answer(*job, Outcome::Nothing);
        }
    }

    fn work_through(self: &Arc<Self>, queue: &Receiver<u64>, inputs: &mut TestInputs) {
        let mut overdue = None;
        while let Ok(number) = queue.recv() {
            match &overdue {
                None => overdue = self.clone().start_overdue().ok(),
                Some(overdue) => overdue.unpark(),
            }
            // Without a thread that answers overdue jobs no files are read.
            let task = overdue.as_ref().and_then(|_| self.table.task(number));
            let outcome = catch_fault(|| work(inputs, task)).unwrap_or(Outcome::Nothing);
            if let Some(job) = self.table.take(number) {
                self.answer(job, outcome);
            }
        }
    }

    /// Starts the thread that answers overdue jobs. It ends with the process, and is parked while there are no jobs: the next job
    /// has to unpark it.
    fn start_overdue(self: Arc<Self>) -> io::Result<thread::Thread> {
        let run = move || {
            loop {
                let (late, is_idle) = self.table.take_overdue(Instant::now());
                late.into_iter().for_each(|job| self.answer(job, Outcome::Nothing));
                if is_idle { thread::park() } else { thread::sleep(CHECK_INTERVAL) }
            }
        };
        let overdue = thread::Builder::new().name("overdue".to_owned()).stack_size(OVERDUE_STACK).spawn(run)?;
        Ok(overdue.thread().clone())
    }

    fn answer(&self, job: Job, outcome: Outcome) {
        match (job, outcome) {
            (Job::Offer { request, hit, .. }, Outcome::ListIsCurrent) => self.dispatcher.accept(&request, &hit),
            (Job::Offer { request, .. }, _) => self.dispatcher.reject(&request),
            (Job::Result { id, put, body, .. }, outcome) => {
                let inputs = if let Outcome::List(list) = outcome { Some(list) } else { None };
                let put = Operation::Put(Put { header: put, body, inputs });
                if catch_fault(|| self.dispatcher.request(id, put)).is_none() {
                    self.dispatcher.fallback.responder.stored(id, MISSING_PATH);
                }
            }
        }
        self.dispatcher.in_flight.finish_one();
    }
}

/// Reads what a job needs. The job may be answered meanwhile, without this.
fn work(inputs: &mut TestInputs, task: Option<Task>) -> Outcome {
    match task {
        Some(Task::CheckList(hit, list)) if is_there(&hit) && inputs.is_current(&list, &hit.output.id) => {
            Outcome::ListIsCurrent
        }
        Some(Task::MakeList(result, output)) => {
            inputs.make_list(&result, &output).map_or(Outcome::Nothing, |list| Outcome::List(list.into()))
        }
        Some(Task::CheckList(..)) | None => Outcome::Nothing,
    }
}
