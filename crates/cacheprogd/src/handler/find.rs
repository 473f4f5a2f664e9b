//! What is known of an action that the session may be given: the build's own, or what others put and policy.rs lets it have.

use std::time::SystemTime;

use proto::{ActionId, OutputId, Scope, ScopeDigest};
use store::{Found, Record, StoreError};

use super::{Handler, is_short};
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
}

impl Handler {
    /// What is known of an action, shown to the build.
    pub(super) fn find(&self, action: &ActionId, now: SystemTime) -> Known {
        match self.build.dir.find(action, now) {
            Ok(Some(own)) => return Known::Hit(own),
            Ok(None) => {}
            Err(e) => self.build.complain(format_args!("{}", chain(&e))),
        }
        self.find_shared(action, now).unwrap_or_else(|e| {
            self.build.complain(format_args!("{}", chain(&e)));
            Known::Nothing
        })
    }

    fn find_shared(&self, action: &ActionId, now: SystemTime) -> Result<Known, StoreError> {
        let record = match self.store.find(&self.client.view, action, now)? {
            None => return Ok(Known::Nothing),
            Some(Found::Plain(record)) => record,
            Some(Found::Conditional(scope, candidates)) => return self.offer(scope, candidates),
        };
        let inputs = match self.serve(&record, None) {
            Serve::Hit => None,
            Serve::Miss | Serve::HitIfSame => return Ok(Known::Nothing),
            Serve::HitIfListed => match self.store.find_inputs(&self.client.view, action, now)? {
                Some(list) if policy::proof_by(list.kind) == Proof::List && self.show(&list)? => Some(list.output),
                Some(_) | None => return Ok(Known::Nothing),
            },
        };
        Ok(match (self.show(&record)?, inputs) {
            (false, _) => Known::Nothing,
            (true, None) => Known::Hit(record),
            (true, Some(inputs)) => Known::HitIfListed(record, inputs),
        })
    }

    /// Those of the candidates that the session may have and that are there.
    fn offer(&self, scope: Scope, candidates: Vec<(ScopeDigest, Record)>) -> Result<Known, StoreError> {
        let mut offered = Vec::with_capacity(candidates.len());
        for (digest, record) in candidates {
            if self.serve(&record, Some(&scope)) == Serve::HitIfSame && self.show(&record)? {
                offered.push((digest, record));
            }
        }
        Ok(if offered.is_empty() { Known::Nothing } else { Known::HitIfSame(scope, offered) })
    }

    fn serve(&self, record: &Record, scope: Option<&Scope>) -> Serve {
        let proof = if self.client.goroot.is_some() { Proof::Toolchain } else { Proof::None };
        let (kind, partition) = (record.kind, record.origin.partition);
        policy::get(&About { kind, proof, scope, is_short: is_short(record.size), partition }, self.mode)
    }

    fn show(&self, record: &Record) -> Result<bool, StoreError> {
        self.store.show(&self.build.dir, (record.output, record.size), self.client.sharing)
    }
}
