//! The thread for all that reads files: it makes and checks lists of tests' inputs, computes the conditions of what others offer, and
//! shares what was put. The threads that read cmd/go and the daemon continue meanwhile, and answers come in any order.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use proto::gocmd::Hit;
use proto::{Condition, OutputId};

use crate::condition::{Conditions, Setting};
use crate::fault::catch_fault;
use crate::mutex::lock;
use crate::read_your_writes::is_there;
use crate::test_results::test_inputs::TestInputs;
use crate::test_results::test_logs::TestResult;

use super::classifier::Terms;
use super::job_table::{JobTable, Wake};
use super::shares::{ConditionsOfShares, Share};
use super::side_entries::ToShare;

/// How often overdue jobs are looked for, while there are jobs.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// How long an entry waits at most until it is shared: a batch costs one look at each of its scopes.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// A batch waits this many times as long as the one before took, and at least this long.
const PAUSE_BY_COST: u32 = 50;
const MIN_DELAY: Duration = Duration::from_millis(20);

/// Entries that wait to be shared. More stay private.
const MAX_ENTRIES: usize = 16 << 10;

/// How long the end of the go command waits for the last batch: longer than one look at a scope may take (`condition/budget.rs`), so that
/// a scope that takes longer is known to the next go command.
const FINISH: Duration = Duration::from_millis(3500);

/// A walk through a module's directories, and a buffer to read files with.
const STACK: usize = 512 << 10;

/// Answers need little: a body is copied to the spool in small pieces.
const OVERDUE_STACK: usize = 256 << 10;

/// What the worker works for: the daemon's session, or an embedded store.
pub(crate) trait Backend: Debug + Send + Sync + 'static {
    /// A request that waits for files to be read.
    type Job: Debug + Send;

    /// What is to be read.
    fn task(job: &Self::Job) -> Task;

    /// Answers a request. Called once for each.
    fn answer(&self, job: Self::Job, outcome: Outcome);

    /// Lets other builds use entries.
    fn share(&self, shares: Vec<Share>);

    /// Says what a condition is made of.
    fn tell_parts(&self, condition: &Condition, parts: Vec<u8>);
}

/// What is to be done for a job.
#[derive(Debug)]
pub(crate) enum Task {
    /// Is the list of a result that another build put current here?
    CheckList(Hit, PathBuf),
    /// Make the list of a result.
    MakeList(Arc<TestResult>, OutputId),
    /// Which of these conditions holds here?
    Choose(Arc<[Condition]>),
}

/// What was found out for a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    ListIsCurrent,
    List(Arc<[u8]>),
    /// The condition with this number holds.
    Holds(usize),
    /// Nothing is shared, or there was no time.
    Nothing,
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Readers {
    conditions: ConditionsOfShares<Conditions>,
    is_clean: bool,
    /// `None` where results of tests are not exchanged.
    tests: Option<TestInputs>,
}

impl Readers {
    pub(crate) fn new(setting: Setting, tests: Option<TestInputs>) -> Self {
        let is_clean = setting.is_clean;
        Self { conditions: ConditionsOfShares::new(Conditions::new(setting)), is_clean, tests }
    }
}

#[derive(Debug)]
pub(crate) struct Worker<B: Backend> {
    backend: B,
    table: JobTable<B::Job>,
    /// Held to add entries or to take them.
    shares: Mutex<WaitingShares>,
    finished: Condvar,
}

#[derive(Debug, Default)]
struct WaitingShares {
    entries: Vec<ToShare<Terms>>,
    /// When the first of them was added.
    since: Option<Instant>,
    is_ending: bool,
    is_finished: bool,
}

impl<B: Backend> Worker<B> {
    /// Starts the thread, which ends with the process. Where it does not start, every job is answered with nothing.
    pub(crate) fn start(backend: B, mut readers: Readers) -> Arc<Self> {
        let (table, queue) = JobTable::new();
        let worker = Arc::new(Self { backend, table, shares: Mutex::default(), finished: Condvar::new() });
        let shared = worker.clone();
        let run = move || shared.work_through(&queue, &mut readers);
        if thread::Builder::new().name("files".to_owned()).stack_size(STACK).spawn(run).is_err() {
            lock(&worker.shares).is_finished = true;
        }
        worker
    }

    pub(crate) fn backend(&self) -> &B {
        &self.backend
    }

    /// Queues a job, or answers it with nothing.
    pub(crate) fn queue(&self, job: B::Job) {
        if let Err(job) = self.table.queue(job) {
            self.backend.answer(*job, Outcome::Nothing);
        }
    }

    /// Shares entries, in a while.
    pub(crate) fn share(&self, entries: Vec<ToShare<Terms>>) {
        if entries.is_empty() {
            return;
        }
        let mut waiting = lock(&self.shares);
        if waiting.is_finished || waiting.entries.len() + entries.len() > MAX_ENTRIES {
            return;
        }
        waiting.entries.extend(entries);
        if waiting.since.is_none() {
            waiting.since = Some(Instant::now());
            drop(waiting);
            self.table.wake();
        }
    }

    /// At the end of the go command: works through all that waits, and returns when that is done or has taken too long. What is not
    /// answered then is answered with nothing.
    pub(crate) fn finish(&self) {
        let mut waiting = lock(&self.shares);
        waiting.is_ending = true;
        self.table.wake();
        let ended = self.finished.wait_timeout_while(waiting, FINISH, |waiting| !waiting.is_finished);
        drop(ended);
        self.table.take_all().into_iter().for_each(|job| self.backend.answer(job, Outcome::Nothing));
    }

    fn work_through(self: &Arc<Self>, queue: &Receiver<Wake>, readers: &mut Readers) {
        let mut overdue = None;
        let mut delay = MIN_DELAY;
        loop {
            match self.next(queue, delay) {
                Some(Wake::Job(number)) => {
                    match &overdue {
                        None => overdue = self.clone().start_overdue().ok(),
                        Some(overdue) => overdue.unpark(),
                    }
                    // Without a thread that answers overdue jobs no files are read.
                    let task = overdue.as_ref().and_then(|_| self.table.task(number, B::task));
                    self.work(number, task, readers);
                    if self.is_share_late(delay) {
                        delay = self.share_batch(readers);
                    }
                }
                Some(Wake::Shares) => {}
                None => {
                    delay = self.share_batch(readers);
                    if self.set_finished() {
                        return;
                    }
                }
            }
        }
    }

    /// What to do next; `None` if entries are to be shared, or it is the end.
    fn next(&self, queue: &Receiver<Wake>, delay: Duration) -> Option<Wake> {
        let wait = {
            let waiting = lock(&self.shares);
            let due = waiting.since.map(|since| (since + delay).saturating_duration_since(Instant::now()));
            if waiting.is_ending { Some(Duration::ZERO) } else { due }
        };
        match wait {
            Some(wait) => queue.recv_timeout(wait).ok(),
            None => queue.recv().ok(),
        }
    }

    fn work(&self, number: u64, task: Option<Task>, readers: &mut Readers) {
        let (outcome, rejected) = match task {
            Some(task) => catch_fault(|| readers.work(task)).unwrap_or((Outcome::Nothing, None)),
            None => (Outcome::Nothing, None),
        };
        if let Some(job) = self.table.take(number) {
            self.backend.answer(job, outcome);
        }
        if let Some(rejected) = rejected {
            catch_fault(|| {
                let ours = readers.conditions.rejected(&rejected);
                self.tell_parts(ours.iter(), readers);
            });
        }
    }

    /// Shares what waits. How long the next batch is to wait.
    fn share_batch(&self, readers: &mut Readers) -> Duration {
        let started = Instant::now();
        let batch = {
            let mut waiting = lock(&self.shares);
            waiting.since = None;
            std::mem::take(&mut waiting.entries)
        };
        if !batch.is_empty() {
            // After a fault the batch stays private.
            catch_fault(|| {
                let shares = readers.conditions.of_batch(batch);
                let conditions: Vec<Condition> = shares.iter().filter_map(|share| share.condition.clone()).collect();
                self.backend.share(shares);
                self.tell_parts(conditions.iter(), readers);
            });
        }
        (started.elapsed() * PAUSE_BY_COST).clamp(MIN_DELAY, MAX_DELAY)
    }

    fn tell_parts<'a>(&self, conditions: impl Iterator<Item = &'a Condition>, readers: &mut Readers) {
        for condition in conditions {
            if let Some(parts) = readers.conditions.parts_to_tell(condition) {
                self.backend.tell_parts(condition, parts);
            }
        }
    }

    fn is_share_late(&self, delay: Duration) -> bool {
        lock(&self.shares).since.is_some_and(|since| since.elapsed() >= delay)
    }

    /// Whether it is the end, and nothing waits any more.
    fn set_finished(&self) -> bool {
        let mut waiting = lock(&self.shares);
        waiting.is_finished = waiting.is_ending && waiting.entries.is_empty();
        if waiting.is_finished {
            self.finished.notify_all();
        }
        waiting.is_finished
    }

    /// Starts the thread that answers overdue jobs. It ends with the process, and is parked while there are no jobs: the next job
    /// has to unpark it.
    fn start_overdue(self: Arc<Self>) -> io::Result<thread::Thread> {
        let run = move || {
            loop {
                let (late, is_idle) = self.table.take_overdue(Instant::now());
                late.into_iter().for_each(|job| self.backend.answer(job, Outcome::Nothing));
                if is_idle { thread::park() } else { thread::sleep(CHECK_INTERVAL) }
            }
        };
        let overdue = thread::Builder::new().name("overdue".to_owned()).stack_size(OVERDUE_STACK).spawn(run)?;
        Ok(overdue.thread().clone())
    }
}

impl Readers {
    /// Reads what a task needs. With conditions of which none holds, these are returned too.
    fn work(&mut self, task: Task) -> (Outcome, Option<Arc<[Condition]>>) {
        let outcome = match task {
            Task::Choose(conditions) => {
                return match self.conditions.first_that_holds(&conditions, self.is_clean) {
                    Some(number) => (Outcome::Holds(number), None),
                    None => (Outcome::Nothing, Some(conditions)),
                };
            }
            Task::CheckList(hit, list) => {
                let is_current = |tests: &mut TestInputs| is_there(&hit) && tests.is_current(&list, &hit.output.id);
                self.tests.as_mut().is_some_and(is_current).then_some(Outcome::ListIsCurrent)
            }
            Task::MakeList(result, output) => {
                // The test that ran may have written what a later package is made of.
                self.conditions.forget_looks();
                let list = self.tests.as_mut().and_then(|tests| tests.make_list(&result, &output));
                list.map(|list| Outcome::List(list.into()))
            }
        };
        (outcome.unwrap_or(Outcome::Nothing), None)
    }
}
