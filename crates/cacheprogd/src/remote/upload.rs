//! What builds used goes to the remote store after their end, by one thread. What cannot be put is tried again; a newer build of a name
//! takes the place of an earlier one.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Instant;

use miss_causes::without_version;
use proto::error::with_causes;
use remote::series::{STD, Series};
use remote_sync::push::{Found, Push, PushError, Pushed, Used};
use store::{Conditional, Partition};

use super::tier::{Tier, series};
use super::upload_queue::Waiting;
use crate::clock;
use crate::limits::{UPLOAD_AGE, UPLOAD_PAUSE, UPLOAD_STACK};
use crate::mutex::lock;
use crate::telemetry::working_sets::{WorkingSet, WorkingSets};

/// The thread ends, in whatever way.
struct End<'a>(&'a Tier);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.uploads.is_running.store(false, SeqCst);
    }
}

impl Tier {
    /// Queues what a build used that has ended. Its working set has it.
    pub(crate) fn queue(&self, name: &str) {
        self.uploads.queue.add(&self.store, without_version(name));
    }

    /// Whether something is being put, or waits for that: a daemon that exits would not try again.
    pub(crate) fn is_busy(&self) -> bool {
        self.writer.is_some() && (self.uploads.is_running.load(SeqCst) || self.uploads.waiting.load(SeqCst) > 0)
    }

    /// Begins to put what waits, if anything does. Called at each turn of the loop.
    pub(crate) fn poll(self: &Arc<Self>) {
        if self.writer.is_none() {
            return;
        }
        let waiting = self.uploads.queue.waiting().len();
        self.uploads.waiting.store(waiting as u64, SeqCst);
        let is_due = waiting > 0 && Instant::now() >= lock(&self.uploads.pause).0 && self.used_up().is_none();
        if !is_due || self.uploads.is_running.swap(true, SeqCst) {
            return;
        }
        let tier = self.clone();
        let run = move || {
            let _end = End(&tier);
            tier.upload_all();
        };
        let thread = thread::Builder::new().name("upload".to_owned()).stack_size(UPLOAD_STACK);
        if let Err(e) = thread.spawn(run) {
            log::debug!("no upload: {e}");
            self.uploads.is_running.store(false, SeqCst);
        }
    }

    /// One name that cannot be put does not keep back the others.
    fn upload_all(&self) {
        let mut has_failed = false;
        for waiting in self.uploads.queue.waiting() {
            if self.used_up().is_some() {
                break;
            }
            match self.upload(&waiting) {
                Ok(()) => {}
                Err(e @ PushError::TooLarge(_)) => {
                    log::error!("{}: {}: given up", waiting.name(), with_causes(&e));
                    waiting.remove();
                }
                Err(e) => {
                    log::warn!("{}: {}; it is tried again", waiting.name(), with_causes(&e));
                    self.note_write(Some(&e));
                    has_failed = true;
                }
            }
        }
        self.keep_bytes();
        let mut pause = lock(&self.uploads.pause);
        *pause = if has_failed {
            (Instant::now() + pause.1, (pause.1 * 2).min(UPLOAD_PAUSE.1))
        } else {
            (Instant::now(), UPLOAD_PAUSE.0)
        };
    }

    /// Puts what builds of one name used.
    fn upload(&self, waiting: &Waiting) -> Result<(), PushError> {
        let name = waiting.name();
        if clock::now().duration_since(waiting.since).is_ok_and(|age| age > UPLOAD_AGE) {
            log::warn!("{name}: what it used was not put for {} days: given up", UPLOAD_AGE.as_secs() / 86_400);
        } else if let Some(used) = WorkingSets::new(&self.store).read(&name, Some(Partition::Common)) {
            self.push(&name, &used)?;
        }
        waiting.remove();
        Ok(())
    }

    fn push(&self, name: &str, used: &WorkingSet) -> Result<(), PushError> {
        let Some((key, _)) = &self.writer else { return Ok(()) };
        let Some((series, view)) = series(&used.toolchain, name) else { return Ok(()) };
        let std = Series { name: STD.to_owned(), ..series.clone() };
        let push = Push {
            store: &self.store,
            view: &view,
            series: &std,
            bases: &[],
            key,
            objects: &self.objects,
            found: &Found::default(),
            used: Used::StdBy(&used.used),
            // Of what the build in its sandbox had: there all that compilers read of the system lies in /nix/store.
            conditional: Conditional::All,
            indexes: true,
            now: clock::unix(clock::now()),
            period: self.kept_for.as_secs(),
        };
        // Go's own packages first: the other index refers to their files.
        let bases = match self.put(&push) {
            Ok(_) => std::slice::from_ref(&std),
            Err(e) => {
                log::warn!("{std}: {}", with_causes(&e));
                &[]
            }
        };
        let pushed = self.put(&Push { series: &series, bases, used: Used::By(&used.used), ..push })?;
        self.note_upload(&pushed);
        Ok(())
    }

    fn put(&self, push: &Push<'_>) -> Result<Pushed, PushError> {
        let pushed = push.run()?;
        log::debug!("{}: put {} bytes for {} entries", push.series, pushed.bytes, pushed.entries);
        self.note_put(pushed.bytes);
        Ok(pushed)
    }
}
