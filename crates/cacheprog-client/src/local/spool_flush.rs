//! Flushes the spool: hands its entries on to the daemon, each for whom it is, on a thread and a connection of its own.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proto::condition::scopes;
use proto::wire::{Hello, Reply, Request};
use proto::{ActionId, Output};
use store::Record;
use transport::Connection;

use crate::environment::Environment;

use super::local_store::LocalStore;

/// How long the go command may wait for a flush at its end.
const WAIT_AT_END: Duration = Duration::from_millis(200);

/// How long a flush may take.
const MAX_TIME: Duration = Duration::from_secs(30);

const STACK: usize = 256 << 10;

/// A flush that runs, or none.
#[derive(Debug, Default)]
pub(crate) struct SpoolFlush(Option<JoinHandle<()>>);

impl SpoolFlush {
    /// Starts, where there is a spool and no other client flushes it.
    pub(crate) fn start(socket: &std::path::Path, environment: &Environment) -> Self {
        if !environment.spool.is_dir() {
            return Self::default();
        }
        let gocache = environment.gocache_id.clone();
        let hello = Hello { gocache, ..Hello::new(environment.toolchain.clone()) };
        let socket = PathBuf::from(socket);
        let mut spool = LocalStore::new(&environment.spool, environment);
        let lock = environment.spool.join("drain.lock");
        let run = move || {
            let Ok(lock) = File::create(lock) else { return };
            if let Err(TryLockError::WouldBlock | TryLockError::Error(_)) = lock.try_lock() {
                return; // another go command of this build does it
            }
            if let Ok(connection) = transport::open(&socket, &hello) {
                hand_on(&mut spool, &connection);
            }
        };
        Self(thread::Builder::new().name("spool-flush".to_owned()).stack_size(STACK).spawn(run).ok())
    }

    /// Waits a moment for its end. Entries that are not handed on by then stay in the spool.
    pub(crate) fn finish(&mut self) {
        let until = Instant::now() + WAIT_AT_END;
        while self.0.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn hand_on(spool: &mut LocalStore, connection: &Connection) {
    let until = Instant::now() + MAX_TIME;
    for ((action, output), records) in by_output(spool.list()) {
        let Some(way) = Way::of(&records, |record| spool.is_own(record)) else { continue };
        let Some(file) = records.first().and_then(|record| File::open(spool.file(record)?).ok()) else { continue };
        let put = match way {
            Way::Plain => Request::Put { action, output },
            Way::Private => Request::PutPrivate { action, output },
        };
        let left = until.saturating_duration_since(Instant::now());
        // The kernel refuses a timeout of zero: then no time is left.
        if connection.stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match connection.exchange(&put, Some((&file, output.size))) {
            Ok(Reply::Stored { .. }) => {}
            Ok(Reply::Refused(_)) => continue, // no space there yet
            _ => return,
        }
        if way == Way::Private && share(connection, action, output, &records).is_err() {
            return;
        }
        records.iter().for_each(|record| spool.forget(&action, record));
    }
}

/// How an output is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// For every build.
    Plain,
    /// For this build, and under the conditions that it has.
    Private,
}

impl Way {
    /// By the records of the output. `None` if all of them are another GOCACHE's.
    fn of(records: &[Record], is_own: impl Fn(&Record) -> bool) -> Option<Self> {
        if records.iter().any(|record| record.condition.is_none()) {
            return Some(Self::Plain);
        }
        records.iter().any(is_own).then_some(Self::Private)
    }
}

/// The records of each output of an action.
fn by_output(all: Vec<(ActionId, Record)>) -> BTreeMap<(ActionId, Output), Vec<Record>> {
    let mut outputs = BTreeMap::<_, Vec<Record>>::new();
    for (action, record) in all {
        outputs.entry((action, record.output)).or_default().push(record);
    }
    outputs
}

/// Tells the daemon the conditions of what was handed on.
fn share(connection: &Connection, action: ActionId, output: Output, records: &[Record]) -> std::io::Result<()> {
    let mut frames = Vec::new();
    let conditions = records.iter().filter_map(|record| record.condition.clone());
    for condition in conditions.filter(|condition| condition.scope != scopes::PRIVATE) {
        let share = Request::Share { action, output: output.id, condition: Some(condition) };
        share.write(connection.next_id(), &mut frames);
    }
    (&connection.stream).write_all(&frames)
}
