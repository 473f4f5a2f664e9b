//! Puts: each body is received and checked, stored for the build or for all, and exposed to the build.
//!
//! With whom it is shared, `share_policy.rs` decides; how much a build may put, builds/quota.rs.

use std::io::{self, Read};

use proto::control::Counts;
use proto::profile::PutOutcome;
use proto::wire::{Refusal, Reply};
use proto::{ActionId, FrameError, Output, OutputId};
use sha2::{Digest, Sha256};
use store::{Exposed, Published, Put, Record, Replaces, StageError, StagedBody, StoreError};

use super::session_handler::{Handler, Kept};
use crate::builds::quota::DiskUsage;
use crate::clock;
use crate::limits::INDEX_BYTES;
use crate::mutex::lock;
use crate::session::share_policy::{self, Class, Entry, Proof, PutDecision};
use crate::session::toolchain_index::Goroot;
use crate::telemetry::trace::event;

/// The list before a test result, of so many bytes.
fn read_list(length: u64, input: &mut impl Read) -> Result<Vec<u8>, StageError> {
    let mut list = Vec::new();
    input.take(length).read_to_end(&mut list).map_err(StageError::Body)?;
    if list.len() as u64 == length { Ok(list) } else { Err(StageError::Length(length)) }
}

/// The outcome of a put, by what was counted of it.
fn outcome(counts: &Counts) -> PutOutcome {
    match (counts.private_puts, counts.conflicts) {
        (0, 0) => PutOutcome::Shared,
        (0, _) => PutOutcome::Conflict,
        _ => PutOutcome::Private,
    }
}

impl Handler {
    /// A put: its body is received and checked, stored for the build or for all, and exposed to the build.
    ///
    /// # Errors
    /// Where the body could not be read to its end: the session is over.
    pub(crate) fn put(
        &self,
        (action, output): (ActionId, Output),
        class: Class<'_>,
        body: &mut impl Read,
    ) -> Result<Reply, FrameError> {
        let wanted = DiskUsage::of_put(&[output.size]);
        if !self.build.reserve(wanted) {
            return self.discard(output.size, body);
        }
        match self.stage(output, body) {
            Ok(mut body) => Ok(self.store_as_decided(&self.entry(&body, Proof::None, class), action, &mut body)),
            Err(e) => {
                self.build.quota.release(wanted);
                self.not_staged(e, &output.id)
            }
        }
    }

    fn stage(&self, output: Output, body: &mut impl Read) -> Result<StagedBody, StageError> {
        let mut scratch = std::mem::take(&mut *lock(&self.scratch));
        let staged = self.store.stage(output, body, &mut scratch);
        *lock(&self.scratch) = scratch;
        staged
    }

    /// Reads a body that is refused, a little at a time, and stores nothing of it.
    fn discard(&self, size: u64, body: &mut impl Read) -> Result<Reply, FrameError> {
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        match io::copy(&mut body.take(size), &mut io::sink()) {
            Ok(read) if read == size => Ok(Reply::Refused(Refusal::Storage)),
            Ok(_) => Err(FrameError::Truncated),
            Err(e) => Err(FrameError::Read(e)),
        }
    }

    fn not_staged(&self, error: StageError, output: &OutputId) -> Result<Reply, FrameError> {
        let outcome = match error {
            StageError::Body(e) => Err(FrameError::Read(e)),
            StageError::Length(_) => Err(FrameError::Truncated),
            StageError::Digest => {
                self.build
                    .warn_rate_limited(format_args!("a put whose body does not have output id {output}: refused"));
                Ok(Reply::Refused(Refusal::Digest))
            }
            StageError::Store(e) => return Ok(self.refuse(&e)),
        };
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        outcome
    }

    /// A put of a test result, after the list of the test's inputs: shared with that list.
    ///
    /// # Errors
    /// As [`Handler::put`].
    pub(crate) fn put_test(
        &self,
        (action, output): (ActionId, Output),
        inputs: u64,
        input: &mut impl Read,
    ) -> Result<Reply, FrameError> {
        let wanted = DiskUsage::of_put(&[inputs, output.size]);
        if !self.build.reserve(wanted) {
            return self.discard(inputs + output.size, input);
        }
        let staged =
            read_list(inputs, input).and_then(|list| Ok((list, self.stage(output, &mut input.take(output.size))?)));
        let (list, mut result) = match staged {
            Ok(staged) => staged,
            Err(e) => {
                self.build.quota.release(wanted);
                return self.not_staged(e, &output.id);
            }
        };
        let id = OutputId(Sha256::digest(&list).into());
        // A list that cannot be stored proves nothing: the result stays private to this build.
        let mut list = self.stage(Output { id, size: inputs }, &mut list.as_slice()).ok();
        let proof = list.as_ref().map_or(Proof::None, |list| share_policy::proof_by(list.kind(), result.kind()));
        let entry = self.entry(&result, proof, Class::Plain);
        Ok(match (share_policy::put(&entry, self.rules), &mut list) {
            (PutDecision::Share(_), Some(list)) if proof == Proof::List => self.share_test(action, list, &mut result),
            // Not a test result, say: it is put like any other body, and replaces nothing because of its list.
            _ => self.store_as_decided(&Entry { proof: Proof::None, ..entry }, action, &mut result),
        })
    }

    fn share_test(&self, action: ActionId, list: &mut StagedBody, result: &mut StagedBody) -> Reply {
        let cost = self.time_since_miss(&action);
        let put = self.new_put(action, cost);
        let mut counts = Counts { puts: 1, bytes_put: result.output().size, ..Counts::default() };
        let published = self.store.put_test(&self.client.view, &put, list, result);
        let stored = published.and_then(|published| self.expose_or_keep(&put, result, &published, &mut counts));
        self.reply_to_put(&put, result, stored, &counts)
    }

    /// What `share_policy.rs` must know of a body.
    fn entry<'a>(&self, body: &StagedBody, proof: Proof, class: Class<'a>) -> Entry<'a> {
        let partition = self.client.view.partition();
        Entry { kind: body.kind(), proof, class, is_short: share_policy::is_short(body.output().size), partition }
    }

    /// Stores a body for the build or for all, as `share_policy.rs` decides.
    fn store_as_decided(&self, entry: &Entry<'_>, action: ActionId, body: &mut StagedBody) -> Reply {
        let is_index = share_policy::may_be_of_toolchain(entry.kind) && self.is_of_toolchain(&action, body);
        let proof = if is_index { Proof::Toolchain } else { entry.proof };
        body.set_kind(share_policy::kind_with(proof, entry.kind));
        let cost = self.time_since_miss(&action);
        let put = self.new_put(action, cost);
        let mut counts = Counts { puts: 1, bytes_put: body.output().size, ..Counts::default() };
        let stored = match share_policy::put(&Entry { kind: body.kind(), proof, ..*entry }, self.rules) {
            PutDecision::Share(replaces) => self.publish(&Put { replaces, ..put }, body, &mut counts),
            // A condition comes after the put.
            PutDecision::ShareUnder(_) | PutDecision::Private => {
                (counts.private_puts, counts.private_gets) = (1, cost.is_some().into());
                self.compare_kept(&put, (&body.output().id, body.kind()));
                self.keep(&put, body).inspect(|()| {
                    lock(&self.kept).insert(action, Kept { was_missed: cost.is_some() });
                })
            }
        };
        self.reply_to_put(&put, body, stored, &counts)
    }

    /// Whether this is an index of the toolchain's own sources, which are the same for every build that has the toolchain.
    fn is_of_toolchain(&self, action: &ActionId, body: &StagedBody) -> bool {
        let open = || self.client.goroot.as_deref().and_then(Goroot::in_store);
        let Some(goroot) = self.goroot.get_or_init(open) else { return false };
        body.bytes(INDEX_BYTES).is_some_and(|index| goroot.has_index(action, &index))
    }

    /// Milliseconds since the action was missed: what it cost to compute.
    fn time_since_miss(&self, action: &ActionId) -> Option<u64> {
        let since = lock(&self.missed).remove(action).map(|missed| missed.elapsed().as_millis());
        since.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn new_put(&self, action: ActionId, cost: Option<u64>) -> Put<'_> {
        let (origin, replaces, cost_ms) = (&self.origin, Replaces::Nothing, cost.unwrap_or(0));
        Put { action, time: clock::now(), cost_ms, origin, condition: None, replaces }
    }

    fn reply_to_put(&self, put: &Put<'_>, body: &StagedBody, stored: Result<(), StoreError>, counts: &Counts) -> Reply {
        // The build's own work: a later hit on it saves nothing, and serves nothing. It was done whether it can be stored or not.
        let compiled = u64::from(self.build.is_first(&put.action) && body.kind().is_package());
        self.build.counters.add(&Counts {
            packages_needed: compiled,
            packages_compiled: compiled,
            ..Counts::default()
        });
        self.build.is_first_output(&body.output().id);
        self.build.has_own(&put.action, &body.output().id);
        self.trace(put, body, if stored.is_ok() { outcome(counts) } else { PutOutcome::Refused });
        match stored {
            Ok(()) => {
                self.build.storage_health.record_success();
                self.build.counters.add(counts);
                Reply::Stored { time: put.time.into() }
            }
            Err(e) => self.refuse(&e),
        }
    }

    fn trace(&self, put: &Put<'_>, body: &StagedBody, outcome: PutOutcome) {
        let event = |at_ms| event::Put {
            session: self.client.session,
            at_ms,
            cost_ms: u32::try_from(put.cost_ms).unwrap_or(u32::MAX),
            outcome,
            kind: body.kind(),
            action: put.action,
            output: body.output().id,
        };
        self.build.trace.put(event, &put.action, put.time);
    }

    fn keep(&self, put: &Put<'_>, body: &mut StagedBody) -> Result<(), StoreError> {
        self.build.dir.keep(&self.client.gocache, put, body)
    }

    fn publish(&self, put: &Put<'_>, body: &mut StagedBody, counts: &mut Counts) -> Result<(), StoreError> {
        let published = self.store.put(&self.client.view, put, body)?;
        self.expose_or_keep(put, body, &published, counts)
    }

    /// Exposes to the build what it put. Where other builds have another output, the build keeps its own.
    fn expose_or_keep(
        &self,
        put: &Put<'_>,
        body: &mut StagedBody,
        published: &Published,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        self.compare(put, (&body.output().id, body.kind()), published);
        match published {
            Published::New | Published::Again | Published::Outranks(_) => {
                // The build's own record is older, and would be found first.
                drop(self.build.dir.forget(&self.client.gocache, &put.action));
                match self.build.dir.expose_published(body.output(), self.client.exposure)? {
                    Exposed::Yes => Ok(()),
                    // Evicted in between, or written to.
                    Exposed::No | Exposed::Unverified => self.keep(put, body),
                }
            }
            Published::Conflict(_) => {
                counts.conflicts = 1;
                self.keep(put, body)
            }
            Published::Quarantined => {
                counts.private_puts = 1;
                self.keep(put, body)
            }
        }
    }

    pub(super) fn warn_of_outranked(&self, action: &ActionId, own: &OutputId, remote: &Record) {
        self.build.warn_rate_limited(format_args!(
            "action {action}: this build put output {own}, another machine had put {}; {own} is shared now",
            remote.output.id
        ));
    }

    pub(super) fn warn_of_conflict(&self, action: &ActionId, own: &OutputId, first: &Record) {
        let shared = first.output.id;
        let by = match first.origin.build {
            Some(id) => format!("build {}", id.short()),
            None if first.origin.is_of_layer() => "a layer".to_owned(),
            None if first.origin.key.is_some() => "another machine".to_owned(),
            None => "an unknown build".to_owned(),
        };
        self.build.warn_rate_limited(format_args!(
            "action {action}: this build put output {own}, {by} put {shared}; {shared} stays shared, {own} stays private to this build"
        ));
    }

    fn refuse(&self, error: &StoreError) -> Reply {
        self.build.storage_health.record_failure(error);
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        Reply::Refused(Refusal::Storage)
    }
}
