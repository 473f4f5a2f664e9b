//! What is known of an action that the session may be given: the build's own record, or one of others that `share_policy.rs` lets it
//! have.
//!
//! What it is answered with, get.rs decides.

use std::time::{Instant, SystemTime};

use proto::error::with_causes;
use proto::{ActionId, Condition, Output, OutputId, ScopeDigest, limits, scopes};
use store::{Exposed, Found, Record, Store, StoreError};

use super::session_handler::Handler;
use crate::builds::build::Build;
use crate::clock;
use crate::layers::Copied;
use crate::limits::VERIFY_INLINE;
use crate::session::share_policy::{self, GetDecision, Proof};

/// What a get found, and the build can read now.
#[derive(Debug)]
pub(super) enum Lookup {
    Nothing,
    /// Only what is in quarantine.
    Quarantined,
    Hit(Record),
    /// A test result, and the list of test inputs on which it depends.
    HitIfListed(Record, OutputId),
    /// Outputs under conditions, at least one.
    HitIfSame(Vec<Candidate>),
    /// This must be verified before there is an answer.
    Unverified(Unverified),
    /// It may come from the remote store.
    OnItsWay,
}

/// What a get may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::session) enum Effort {
    /// As much as the session's other requests can wait for.
    Little,
    /// All that it takes, for a get that came then.
    All { since: Instant },
}

impl Effort {
    /// Bytes of the largest object that is verified.
    fn verify_most(self) -> u64 {
        match self {
            Self::Little => VERIFY_INLINE,
            Self::All { .. } => u64::MAX,
        }
    }
}

/// An output under a condition.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) record: Record,
    pub(super) condition: Condition,
    /// For the facts of vet: the text that vet printed with them. The build can read it too.
    pub(super) vet_output: Option<Record>,
}

/// An output whose file must be verified before it is served: it is read, which may take as long as the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unverified {
    output: Output,
    /// It is in the build's directory, and not among the objects.
    is_own: bool,
}

impl Unverified {
    /// Reads it. Whether it has the content that its record names.
    fn verify(&self, store: &Store, build: &Build) -> Result<bool, StoreError> {
        if self.is_own { build.dir.verify(self.output) } else { store.object(self.output).map(|path| path.is_some()) }
    }
}

impl Handler {
    /// What is known of an action, and exposed to the build, with so much effort. What is on its way from the remote store, or is put on it by
    /// this, is waited for.
    pub(super) fn find(&self, action: &ActionId, now: SystemTime, effort: Effort) -> Lookup {
        self.note_used(action);
        // Before the look-up, which finds what came by then.
        let prefetch = self.prefetch.as_ref().filter(|prefetch| prefetch.is_awaited(action));
        let found = self.find_here(action, now, effort.verify_most());
        let Some(prefetch) = prefetch.filter(|one| is_little(&found) && one.ask_for(action)) else { return found };
        match effort {
            Effort::Little => Lookup::OnItsWay,
            Effort::All { since } => {
                prefetch.wait(action, since);
                prefetch.note_used(action);
                self.find_in_store(action, now, effort.verify_most())
            }
        }
    }

    /// A build asks for what was fetched, if it was.
    pub(super) fn note_used(&self, action: &ActionId) {
        if let Some(prefetch) = &self.prefetch {
            prefetch.note_used(action);
        }
    }

    /// What must be verified is verified first, unless it is larger than `verify_most` bytes. So is what layers have beside that: it is
    /// copied into the store first.
    fn find_here(&self, action: &ActionId, now: SystemTime, verify_most: u64) -> Lookup {
        let found = self.find_in_store(action, now, verify_most);
        if !matches!(found, Lookup::Nothing | Lookup::HitIfSame(_)) {
            return found;
        }
        match self.layers.copy(&self.common, action, (now, verify_most)) {
            Ok(Copied::Nothing) => found,
            Ok(Copied::Some) => self.find_in_store(action, now, verify_most),
            Ok(Copied::TooLarge(output)) => Lookup::Unverified(Unverified { output, is_own: false }),
            Err(e) => {
                self.build.storage_health.record_failure(&e);
                self.warn(&e);
                found
            }
        }
    }

    fn find_in_store(&self, action: &ActionId, now: SystemTime, verify_most: u64) -> Lookup {
        let mut verified = None;
        // A list, its result, and candidates with what vet printed: each of them is verified once or not served.
        for _ in 0..2 + 2 * limits::CONDITIONS {
            let unverified = match self.find_verified(action, now) {
                // It could not be noted that it was verified: the disk refuses.
                Ok(Lookup::Unverified(unverified)) if verified == Some(unverified) => return Lookup::Nothing,
                Ok(Lookup::Unverified(unverified)) if unverified.output.size <= verify_most => unverified,
                Ok(found) => return found,
                Err(e) => {
                    self.warn(&e);
                    return Lookup::Nothing;
                }
            };
            if let Err(e) = unverified.verify(&self.store, &self.build) {
                self.warn(&e);
                return Lookup::Nothing;
            }
            verified = Some(unverified);
        }
        Lookup::Nothing
    }

    pub(super) fn warn(&self, error: &StoreError) {
        self.build.warn_rate_limited(format_args!("{}", with_causes(error)));
    }

    /// As [`Handler::find_in_store`], as far as that is known without reading an output.
    fn find_verified(&self, action: &ActionId, now: SystemTime) -> Result<Lookup, StoreError> {
        let own = self.build.dir.get(&self.client.gocache, action, now).unwrap_or_else(|e| {
            self.warn(&e);
            None
        });
        if let Some(own) = own {
            match self.build.dir.exposed(own.output)? {
                Exposed::Yes => return Ok(Lookup::Hit(Record { cost_ms: 0, ..own })), // it saves nothing
                Exposed::Unverified => return Ok(unverified(&own, true)),
                Exposed::No => {}
            }
        }
        let Found { plain, conditional, is_quarantined } = self.store.get(&self.client.view, action, now)?;
        let found = plain.map_or(Ok(Lookup::Nothing), |record| self.find_plain(action, record, now))?;
        let found = if matches!(found, Lookup::Nothing) { self.offer(action, conditional, now) } else { found };
        Ok(if is_quarantined && matches!(found, Lookup::Nothing) { Lookup::Quarantined } else { found })
    }

    /// An entry without a condition, if the session may have it.
    fn find_plain(&self, action: &ActionId, record: Record, now: SystemTime) -> Result<Lookup, StoreError> {
        let inputs = match self.decide(&record) {
            GetDecision::Hit => None,
            GetDecision::Miss | GetDecision::HitIfSame => return Ok(Lookup::Nothing),
            GetDecision::HitIfListed => match self.store.get_test_inputs(&self.client.view, action, now)? {
                Some(list) if share_policy::proof_by(list.kind, record.kind) == Proof::List => Some(list),
                Some(_) | None => return Ok(Lookup::Nothing),
            },
        };
        for record in inputs.iter().chain([&record]) {
            match self.expose(record)? {
                Exposed::Yes => {}
                Exposed::No => return Ok(Lookup::Nothing),
                Exposed::Unverified => return Ok(unverified(record, false)),
            }
        }
        Ok(match inputs {
            None => Lookup::Hit(record),
            Some(list) => Lookup::HitIfListed(record, list.output.id),
        })
    }

    /// Those of the candidates that the session may have and that can be exposed. One that cannot does not keep the others back.
    ///
    /// Of many the likely ones: first those whose condition the build has, then those of builds of its name, then the newest.
    fn offer(&self, action: &ActionId, records: Vec<Record>, now: SystemTime) -> Lookup {
        let mut records: Vec<_> = records.into_iter().filter(|one| self.is_candidate(one)).collect();
        if records.len() > limits::CONDITIONS {
            let is_had = |record: &Record| record.condition.as_ref().is_some_and(|one| self.build.trace.had(one));
            let name = self.build.name();
            records.sort_by_cached_key(|record| (!is_had(record), record.origin.name.as_str() != name));
            records.truncate(limits::CONDITIONS);
        }
        let (mut offered, mut failed) = (Vec::with_capacity(records.len()), None);
        for record in records {
            match self.candidate(action, record, now) {
                Ok(Ok(candidate)) => offered.extend(candidate),
                Ok(Err(unverified)) => return Lookup::Unverified(unverified),
                Err(e) => failed = Some(e),
            }
        }
        // Once, and not each time that a candidate must be verified first.
        failed.iter().for_each(|e| self.warn(e));
        if offered.is_empty() { Lookup::Nothing } else { Lookup::HitIfSame(offered) }
    }

    /// A record with a condition as a candidate, if it can be exposed; or what must be verified first.
    fn candidate(
        &self,
        action: &ActionId,
        record: Record,
        now: SystemTime,
    ) -> Result<Result<Option<Candidate>, Unverified>, StoreError> {
        let Some(condition) = record.condition.clone() else { return Ok(Ok(None)) };
        let is_vet = condition.scope == scopes::VET;
        let vet_output = if is_vet { self.vet_output(action, condition.digest, now)? } else { None };
        if is_vet && vet_output.is_none() {
            return Ok(Ok(None));
        }
        for needed in [&record].into_iter().chain(&vet_output) {
            match self.expose(needed)? {
                Exposed::Yes => {}
                Exposed::No => return Ok(Ok(None)),
                Exposed::Unverified => return Ok(Err(Unverified { output: needed.output, is_own: false })),
            }
        }
        Ok(Ok(Some(Candidate { record, condition, vet_output })))
    }

    /// What vet printed beside what it found, under the same digest.
    fn vet_output(
        &self,
        action: &ActionId,
        digest: ScopeDigest,
        now: SystemTime,
    ) -> Result<Option<Record>, StoreError> {
        let condition = Some(Condition { scope: scopes::VET_OUTPUT, digest });
        let found = self.store.get(&self.client.view, &action.subkey("stdout"), now)?.conditional;
        let is_it = |printed: &Record| printed.condition == condition && self.is_witnessed(printed);
        Ok(found.into_iter().find(is_it))
    }

    fn is_witnessed(&self, record: &Record) -> bool {
        share_policy::is_witnessed(&record.origin, self.build.name(), self.rules)
    }

    fn decide(&self, record: &Record) -> GetDecision {
        let proof = if self.client.goroot.is_some() { Proof::Toolchain } else { Proof::None };
        share_policy::get_record(record, proof, self.build.name(), self.rules)
    }

    /// Whether a record of others is among those that this session is offered.
    pub(super) fn is_candidate(&self, record: &Record) -> bool {
        record.condition.is_some() && self.decide(record) == GetDecision::HitIfSame
    }

    /// Whether an output that was offered is still one of others'. It may have been purged since, or be in quarantine.
    pub(super) fn is_in_service(&self, action: &ActionId, condition: &Condition, output: &OutputId) -> bool {
        let found = self.store.get(&self.client.view, action, clock::now()).unwrap_or_default();
        found.conditional.iter().any(|one| one.output.id == *output && one.condition.as_ref() == Some(condition))
    }

    fn expose(&self, record: &Record) -> Result<Exposed, StoreError> {
        self.build.dir.expose(record.output, self.client.exposure)
    }
}

/// Whether something better may come.
fn is_little(found: &Lookup) -> bool {
    matches!(found, Lookup::Nothing | Lookup::HitIfSame(_))
}

fn unverified(record: &Record, is_own: bool) -> Lookup {
    Lookup::Unverified(Unverified { output: record.output, is_own })
}
