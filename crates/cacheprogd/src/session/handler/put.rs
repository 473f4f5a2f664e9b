//! Puts: each is read, checked, kept for the build or for all, and exposed to the build.

use std::io::{self, Read};

use proto::control::Counts;
use proto::profile::PutOutcome;
use proto::wire::{Refusal, Reply};
use proto::{ActionId, Condition, FrameError, Output, OutputId};
use sha2::{Digest, Sha256};
use store::{Exposed, Published, Put, Replaces, StageError, StagedBody, StoreError};

use super::{Handler, is_short};
use crate::clock;
use crate::goroot::{self, Goroot};
use crate::policy::{self, About, Decision, Proof};
use crate::quota::Used;
use crate::sync::lock;
use crate::trace;

/// The list before a test's result, of so many bytes.
fn read_list(length: u64, input: &mut impl Read) -> Result<Vec<u8>, StageError> {
    let mut list = Vec::new();
    input.take(length).read_to_end(&mut list).map_err(StageError::Body)?;
    if list.len() as u64 == length { Ok(list) } else { Err(StageError::Length(length)) }
}

/// Who has what was put, by what was counted of it.
fn fate(counts: &Counts) -> PutOutcome {
    match (counts.private_puts, counts.conflicts) {
        (0, 0) => PutOutcome::Shared,
        (0, _) => PutOutcome::Conflict,
        _ => PutOutcome::Private,
    }
}

impl Handler {
    /// A put: read, checked, kept for the build or for all, and exposed to the build.
    ///
    /// # Errors
    /// Where the body could not be read to its end: the session is over.
    pub(crate) fn put(
        &self,
        (action, output): (ActionId, Output),
        condition: Option<&Condition>,
        body: &mut impl Read,
    ) -> Result<Reply, FrameError> {
        let wanted = Used::by(&[output.size]);
        if !self.build.may_put(wanted) {
            return self.discard(output.size, body);
        }
        match self.stage(output, body) {
            Ok(mut body) => Ok(self.keep(&self.about(&body, Proof::None), (action, condition), &mut body)),
            Err(e) => {
                self.build.quota.give_back(wanted);
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

    /// Reads what is not taken, a little at a time, and keeps nothing of it.
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
                self.build.complain(format_args!("a put whose body is not its output {output}"));
                Ok(Reply::Refused(Refusal::Digest))
            }
            StageError::Store(e) => return Ok(self.refuse(&e)),
        };
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        outcome
    }

    /// A put of a test's result, after the list of what the test looked at: shared with that list.
    ///
    /// # Errors
    /// As [`Handler::put`].
    pub(crate) fn put_test(
        &self,
        (action, output): (ActionId, Output),
        inputs: u64,
        input: &mut impl Read,
    ) -> Result<Reply, FrameError> {
        let wanted = Used::by(&[inputs, output.size]);
        if !self.build.may_put(wanted) {
            return self.discard(inputs + output.size, input);
        }
        let staged =
            read_list(inputs, input).and_then(|list| Ok((list, self.stage(output, &mut input.take(output.size))?)));
        let (list, mut result) = match staged {
            Ok(staged) => staged,
            Err(e) => {
                self.build.quota.give_back(wanted);
                return self.not_staged(e, &output.id);
            }
        };
        let id = OutputId(Sha256::digest(&list).into());
        // A list that cannot be staged proves nothing: the result is this build's.
        let mut list = self.stage(Output { id, size: inputs }, &mut list.as_slice()).ok();
        let proof = list.as_ref().map_or(Proof::None, |list| policy::proof_by(list.kind(), result.kind()));
        let about = self.about(&result, proof);
        Ok(match (policy::put(&about, self.mode), &mut list) {
            (Decision::Share(_), Some(list)) if proof == Proof::List => self.share_test(action, list, &mut result),
            // Not a test's result, say: it is put as anything else, and replaces nothing for the sake of a list.
            _ => self.keep(&About { proof: Proof::None, ..about }, (action, None), &mut result),
        })
    }

    fn share_test(&self, action: ActionId, list: &mut StagedBody, result: &mut StagedBody) -> Reply {
        let asked = self.asked(&action);
        let put = self.put_of(action, asked);
        let mut counts = Counts { puts: 1, bytes_put: result.output().size, ..Counts::default() };
        let published = self.store.put_test(&self.client.view, &put, list, result);
        if matches!(published, Ok(Published::New | Published::Again)) {
            drop(self.build.dir.forget(&action)); // what was its own before is older; should it stay, it comes first
        }
        let kept = published.and_then(|published| self.expose_or_keep(&put, result, published, &mut counts));
        self.answer(&put, result, kept, &counts)
    }

    /// What policy.rs must know of a body.
    fn about(&self, body: &StagedBody, proof: Proof) -> About<'static> {
        let partition = self.client.view.writes.partition();
        About { kind: body.kind(), proof, scope: None, is_short: is_short(body.output().size), partition }
    }

    fn keep(
        &self,
        about: &About<'_>,
        (action, condition): (ActionId, Option<&Condition>),
        body: &mut StagedBody,
    ) -> Reply {
        let is_index = policy::may_be_of_toolchain(about.kind) && self.is_of_toolchain(&action, body);
        let proof = if is_index { Proof::Toolchain } else { about.proof };
        body.set_kind(policy::kind_with(proof, about.kind));
        let scope = condition.map(|condition| &condition.scope);
        let asked = self.asked(&action);
        let put = self.put_of(action, asked);
        let mut counts = Counts { puts: 1, bytes_put: body.output().size, ..Counts::default() };
        let kept = match policy::put(&About { kind: body.kind(), proof, scope, ..*about }, self.mode) {
            Decision::Share(replaces) => self.share(&Put { replaces, ..put }, body, &mut counts),
            Decision::ShareUnder(_) => self.share(&Put { condition, ..put }, body, &mut counts),
            Decision::Refuse => {
                self.build.is_first(&action);
                self.build.counters.add(&Counts { private_gets: asked.is_some().into(), ..Counts::default() });
                return Reply::Refused(Refusal::Storage);
            }
            Decision::Private => {
                (counts.private_puts, counts.private_gets) = (1, asked.is_some().into());
                self.build.dir.keep(&put, body)
            }
        };
        self.answer(&put, body, kept, &counts)
    }

    /// Whether this is an index of the toolchain's own sources, which are the same for all who have them.
    fn is_of_toolchain(&self, action: &ActionId, body: &StagedBody) -> bool {
        let open = || self.client.goroot.as_deref().and_then(Goroot::in_store);
        let Some(goroot) = self.goroot.get_or_init(open) else { return false };
        body.bytes(goroot::LARGEST).is_some_and(|index| goroot.has(action, &index))
    }

    /// Milliseconds since the action was asked for and missed.
    fn asked(&self, action: &ActionId) -> Option<u64> {
        let since = lock(&self.missed).remove(action).map(|asked| asked.elapsed().as_millis());
        since.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX))
    }

    fn put_of(&self, action: ActionId, asked: Option<u64>) -> Put<'_> {
        let (origin, replaces, cost_ms) = (&self.origin, Replaces::Nothing, asked.unwrap_or(0));
        Put { action, time: clock::now(), cost_ms, origin, condition: None, replaces }
    }

    fn answer(&self, put: &Put<'_>, body: &StagedBody, kept: Result<(), StoreError>, counts: &Counts) -> Reply {
        // Own work: a later hit on it saves nothing, and is no service. It was done whether we can keep it or not.
        let compiled = u64::from(self.build.is_first(&put.action) && body.kind().is_package());
        self.build.counters.add(&Counts {
            packages_needed: compiled,
            packages_compiled: compiled,
            ..Counts::default()
        });
        self.build.is_first_output(&body.output().id);
        self.trace(put, body, if kept.is_ok() { fate(counts) } else { PutOutcome::Refused });
        match kept {
            Ok(()) => {
                self.build.health.well();
                self.build.counters.add(counts);
                Reply::Stored { time: put.time.into() }
            }
            Err(e) => self.refuse(&e),
        }
    }

    fn trace(&self, put: &Put<'_>, body: &StagedBody, fate: PutOutcome) {
        let event = |at_ms| trace::Put {
            session: self.client.session,
            at_ms,
            cost_ms: u32::try_from(put.cost_ms).unwrap_or(u32::MAX),
            fate,
            kind: body.kind(),
            action: put.action,
            output: body.output().id,
        };
        self.build.trace.put(event, &put.action, put.time);
    }

    fn share(&self, put: &Put<'_>, body: &mut StagedBody, counts: &mut Counts) -> Result<(), StoreError> {
        let published = self.store.put(&self.client.view, put, body)?;
        self.expose_or_keep(put, body, published, counts)
    }

    /// Exposes to the build what it put, which is its own where others have another output.
    fn expose_or_keep(
        &self,
        put: &Put<'_>,
        body: &mut StagedBody,
        published: Published,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        match published {
            Published::New | Published::Again => {
                match self.build.dir.expose_published(body.output(), self.client.exposure)? {
                    Exposed::Yes => Ok(()),
                    // Evicted in between, or written to.
                    Exposed::No | Exposed::Unverified => self.build.dir.keep(put, body),
                }
            }
            // Under a condition others have the very same, and nobody disagrees.
            Published::Conflict(first) if first.output.id == body.output().id => self.build.dir.keep(put, body),
            Published::Conflict(first) => {
                counts.conflicts = 1;
                let by = first.origin.build;
                let by = by.map_or_else(|| "an unknown build".to_owned(), |id| format!("build {}", id.short()));
                self.build.complain(format_args!(
                    "action {}: it put {}, {by} put {} before, which stays",
                    put.action,
                    body.output().id,
                    first.output.id
                ));
                self.build.dir.keep(put, body)
            }
        }
    }

    fn refuse(&self, error: &StoreError) -> Reply {
        self.build.health.ill(error);
        self.build.counters.add(&Counts { failed_puts: 1, ..Counts::default() });
        Reply::Refused(Refusal::Storage)
    }
}
