//! What has a thread of its own, as it reads the files of a module: lists of tests' results are made and checked there. The
//! thread that reads cmd/go and the one that reads the daemon go on meanwhile, and answers come in any order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, thread};

use proto::OutputId;
use proto::gocmd::Hit;
use proto::wire::Request;

use crate::gocmd::responder::NOWHERE;
use crate::gocmd::cache::Put;
use crate::clock;
use crate::environment::Places;
use crate::put_body::Held;
use crate::test_results::test_logs::TestResult;
use crate::daemon::in_flight::{Ask, Pending};
use crate::test_results::test_inputs::Lists;
use crate::read_your_writes::is_there;
use crate::locks::lock;

use super::session::Shared;

/// Jobs that wait. A go command has as many gets and puts under way as it runs actions side by side, one for each processor.
const MOST_JOBS: usize = 256;

/// How long a job may wait for its turn, as a request for the daemon's answer: on a slow disk each before it may take so long.
const MOST_WAIT: Duration = Duration::from_secs(2);

/// After so long a job is answered without its files, though one be looked at: the call for it may never return, as on a file
/// system whose server is gone. Slow disks are done before.
const MOST: Duration = Duration::from_secs(10);

/// How often it is seen to that none takes longer, while there are any.
const LOOK: Duration = Duration::from_millis(500);

/// A walk through a module's directories, and a buffer to read files with.
const STACK: usize = 512 << 10;

/// Answers hold little: a body is copied to the spool by small pieces.
const WATCH_STACK: usize = 256 << 10;

/// A job. Whoever takes it out of the open ones answers it.
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
    Result { id: i64, put: Put, body: Arc<Held>, result: Arc<TestResult> },
}

/// What there is to find out for a job, which stays among the open ones meanwhile.
enum Question {
    DoesHold(Hit, PathBuf),
    List(Arc<TestResult>, OutputId),
}

/// What was found out.
enum Finding {
    Holds,
    List(Arc<[u8]>),
    Nothing,
}

/// The jobs, and the way to the thread that does them.
#[derive(Debug)]
pub(super) struct Jobs {
    numbers: SyncSender<u64>,
    /// Held for one look.
    open: Mutex<Open>,
}

/// Jobs without an answer.
#[derive(Debug, Default)]
struct Open {
    /// By their numbers, so that the first one is the oldest.
    jobs: BTreeMap<u64, (Instant, Job)>,
    next: u64,
    /// The thread has been at one job for [`MOST`]: no more are given to it until it is done with that.
    hangs: bool,
}

/// The thread's end of it: the numbers of jobs.
#[derive(Debug)]
pub(super) struct Queue(Receiver<u64>);

/// Both ends.
pub(super) fn queue() -> (Jobs, Queue) {
    let (numbers, queue) = sync_channel(MOST_JOBS);
    (Jobs { numbers, open: Mutex::default() }, Queue(queue))
}

impl Jobs {
    /// Hands a job over; gives it back where there are too many, or nobody does any.
    fn give(&self, job: Job) -> Result<(), Box<Job>> {
        let mut open = lock(&self.open);
        if open.hangs || self.numbers.try_send(open.next).is_err() {
            return Err(Box::new(job));
        }
        let number = open.next;
        open.next += 1;
        open.jobs.insert(number, (Instant::now(), job));
        Ok(())
    }

    /// What there is to find out for a job: nothing where it is answered, or has waited too long for its turn.
    fn question(&self, number: u64) -> Option<Question> {
        let open = lock(&self.open);
        let (_, job) = open.jobs.get(&number).filter(|(since, _)| since.elapsed() < MOST_WAIT)?;
        Some(match job {
            Job::Offer { hit, list, .. } => Question::DoesHold(hit.clone(), list.clone()),
            Job::Result { put, result, .. } => Question::List(result.clone(), put.output),
        })
    }

    /// The thread is done with this one, which is to be answered unless it was.
    fn take(&self, number: u64) -> Option<Job> {
        let mut open = lock(&self.open);
        open.hangs = false;
        open.jobs.remove(&number).map(|(_, job)| job)
    }

    /// All jobs, if the oldest is overdue, as the rest wait for it; and whether none is left.
    fn overdue(&self, now: Instant) -> (Vec<Job>, bool) {
        let mut open = lock(&self.open);
        let mut late = Vec::new();
        if open.jobs.first_key_value().is_some_and(|(_, (since, _))| now.duration_since(*since) >= MOST) {
            open.hangs = true;
            late.extend(std::mem::take(&mut open.jobs).into_values().map(|(_, job)| job));
        }
        (late, open.jobs.is_empty())
    }
}

impl Queue {
    /// Starts the thread, which ends with the process. Where it does not start, jobs are given back.
    pub(super) fn start(self, places: Places, shared: Arc<Shared>) {
        let mut lists = Lists::new(places, clock::now());
        let run = move || {
            let mut watch = None;
            for number in self.0 {
                match &watch {
                    None => watch = shared.clone().watch().ok(),
                    Some(watch) => watch.unpark(),
                }
                // Without anybody who would answer in its stead it looks at no files.
                let question = watch.as_ref().and_then(|_| shared.jobs.question(number));
                shared.work(&mut lists, number, question);
            }
        };
        drop(thread::Builder::new().name("lists".to_owned()).stack_size(STACK).spawn(run));
    }
}

impl Shared {
    /// Starts the thread that answers what is overdue. It ends with the process, and sleeps while there are no jobs: it is to
    /// be unparked at the next one.
    fn watch(self: Arc<Self>) -> io::Result<thread::Thread> {
        let run = move || {
            loop {
                let (late, is_idle) = self.jobs.overdue(Instant::now());
                late.into_iter().for_each(|job| self.go_without(job));
                if is_idle { thread::park() } else { thread::sleep(LOOK) }
            }
        };
        let watch = thread::Builder::new().name("overdue".to_owned()).stack_size(WATCH_STACK).spawn(run)?;
        Ok(watch.thread().clone())
    }

    /// A put; with the list of what a test looked at, if it is a test's result.
    pub(super) fn put(&self, id: i64, put: Put, body: Arc<Held>, result: Option<TestResult>) {
        match result {
            Some(result) => {
                self.link.owe();
                self.hand_over(Job::Result { id, put, body, result: Arc::new(result) });
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
        self.answer_with(Finding::Nothing, job);
    }

    /// What the thread for it does of a job. Somebody else may answer it meanwhile.
    fn work(&self, lists: &mut Lists, number: u64, question: Option<Question>) {
        let found = catch_unwind(AssertUnwindSafe(|| match question {
            Some(Question::DoesHold(hit, list)) if is_there(&hit) && lists.hold(&list, &hit.output) => Finding::Holds,
            Some(Question::List(result, output)) => {
                lists.make(&result, &output).map_or(Finding::Nothing, |list| Finding::List(list.into()))
            }
            Some(Question::DoesHold(..)) | None => Finding::Nothing,
        }));
        if let Some(job) = self.jobs.take(number) {
            self.answer_with(found.unwrap_or(Finding::Nothing), job);
        }
    }

    fn answer_with(&self, found: Finding, job: Job) {
        match (job, found) {
            (Job::Offer { pending, hit, .. }, Finding::Holds) => {
                self.answers.hit(pending.id, &hit);
                self.link.tell(&pending.connection, pending.wire_id, &Request::Accepted(0));
            }
            (Job::Offer { pending, .. }, _) => self.reject(&pending),
            (Job::Result { id, put, body, .. }, found) => {
                let list = if let Finding::List(list) = found { Some(list) } else { None };
                if catch_unwind(AssertUnwindSafe(|| self.ask(id, Ask::Put(put, body, list)))).is_err() {
                    self.answers.stored(id, NOWHERE);
                }
            }
        }
        self.link.answered();
    }
}
