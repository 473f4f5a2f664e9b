//! What is known of an action that the session may be given: the build's own, or what others put and policy.rs lets it have.

use std::time::SystemTime;

use proto::{ActionId, Output, OutputId, Scope, ScopeDigest, limits};
use store::{Exposed, Found, Record, Store, StoreError};

use super::{Handler, is_short};
use crate::build::Build;
use crate::error::chain;
use crate::policy::{self, About, Proof, Serve};

/// What a get found, and the build can see now.
#[derive(Debug)]
pub(super) enum Known {
    Nothing,
    Hit(Record),
    /// A test's result, and the list on which it depends.
    HitIfListed(Record, OutputId),
    /// Outputs with their digests of a scope, at least one.
    HitIfSame(Scope, Vec<(ScopeDigest, Record)>),
    /// This has to be read before more can be said.
    Unread(Unread),
}

/// An output whose file must be read before it is served, which may take as long as the disk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread {
    output: Output,
    /// It is the build's own, and not among the objects.
    is_own: bool,
}

impl Unread {
    /// Reads it. Whether it holds what it should.
    pub(super) fn read(&self, store: &Store, build: &Build) -> Result<bool, StoreError> {
        if self.is_own { build.dir.verify(self.output) } else { store.object(self.output).map(|path| path.is_some()) }
    }
}

impl Handler {
    /// What is known of an action, exposed to the build. What has to be read for that is read first, unless it is larger than `most`
    /// bytes.
    pub(super) fn find(&self, action: &ActionId, now: SystemTime, most: u64) -> Known {
        let mut read = None;
        // A list, its result and candidates, each of which is read once or not served.
        for _ in 0..2 + limits::CONDITIONS {
            let unread = match self.find_read(action, now) {
                // That it was read could not be noted: the disk refuses.
                Ok(Known::Unread(unread)) if read == Some(unread) => return Known::Nothing,
                Ok(Known::Unread(unread)) if unread.output.size <= most => unread,
                Ok(known) => return known,
                Err(e) => {
                    self.complain(&e);
                    return Known::Nothing;
                }
            };
            if let Err(e) = unread.read(&self.store, &self.build) {
                self.complain(&e);
                return Known::Nothing;
            }
            read = Some(unread);
        }
        Known::Nothing
    }

    fn complain(&self, error: &StoreError) {
        self.build.complain(format_args!("{}", chain(error)));
    }

    /// As [`Handler::find`], as far as it can be told without reading an output.
    fn find_read(&self, action: &ActionId, now: SystemTime) -> Result<Known, StoreError> {
        let own = self.build.dir.get(action, now).unwrap_or_else(|e| {
            self.complain(&e);
            None
        });
        if let Some(own) = own {
            match self.build.dir.exposed(own.output)? {
                Exposed::Yes => return Ok(Known::Hit(own)),
                Exposed::Unverified => return Ok(unread(&own, true)),
                Exposed::No => {}
            }
        }
        let record = match self.store.get(&self.client.view, action, now)? {
            None => return Ok(Known::Nothing),
            Some(Found::Plain(record)) => record,
            Some(Found::Conditional(scope, candidates)) => return Ok(self.offer(scope, candidates)),
        };
        let inputs = match self.serve(&record, None) {
            Serve::Hit => None,
            Serve::Miss | Serve::HitIfSame => return Ok(Known::Nothing),
            Serve::HitIfListed => match self.store.get_test_inputs(&self.client.view, action, now)? {
                Some(list) if policy::proof_by(list.kind, record.kind) == Proof::List => Some(list),
                Some(_) | None => return Ok(Known::Nothing),
            },
        };
        for record in inputs.iter().chain([&record]) {
            match self.expose(record)? {
                Exposed::Yes => {}
                Exposed::No => return Ok(Known::Nothing),
                Exposed::Unverified => return Ok(unread(record, false)),
            }
        }
        Ok(match inputs {
            None => Known::Hit(record),
            Some(list) => Known::HitIfListed(record, list.output.id),
        })
    }

    /// Those of the candidates that the session may have and that can be exposed. One that cannot keeps no other back.
    fn offer(&self, scope: Scope, candidates: Vec<(ScopeDigest, Record)>) -> Known {
        let (mut offered, mut failed) = (Vec::with_capacity(candidates.len()), None);
        for (digest, record) in candidates {
            if self.serve(&record, Some(&scope)) != Serve::HitIfSame {
                continue;
            }
            match self.expose(&record) {
                Ok(Exposed::Yes) => offered.push((digest, record)),
                Ok(Exposed::No) => {}
                Ok(Exposed::Unverified) => return unread(&record, false),
                Err(e) => failed = Some(e),
            }
        }
        // Once, and not each time that a candidate has to be read first.
        failed.iter().for_each(|e| self.complain(e));
        if offered.is_empty() { Known::Nothing } else { Known::HitIfSame(scope, offered) }
    }

    fn serve(&self, record: &Record, scope: Option<&Scope>) -> Serve {
        let proof = if self.client.goroot.is_some() { Proof::Toolchain } else { Proof::None };
        let (kind, partition) = (record.kind, record.origin.partition);
        policy::get(&About { kind, proof, scope, is_short: is_short(record.output.size), partition }, self.mode)
    }

    fn expose(&self, record: &Record) -> Result<Exposed, StoreError> {
        self.build.dir.expose(record.output, self.client.exposure)
    }
}

fn unread(record: &Record, is_own: bool) -> Known {
    Known::Unread(Unread { output: record.output, is_own })
}
