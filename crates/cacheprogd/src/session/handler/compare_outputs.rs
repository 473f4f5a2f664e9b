//! Shadow verification in a session: a hit that is withheld, and what the build then computed. It is done only for what all users
//! read, and only in builds that may write that: no other user can have an output taken out of service.
//!
//! Which hits and how many, `trust/shadow_verification.rs` decides.

use std::os::unix::fs::FileExt;

use proto::control::{ComputedOutput, OutputDifference};
use proto::error::with_causes;
use proto::id::hex;
use proto::{ActionId, OutputId};
use store::archive::Archive;
use store::{Found, Kind, Partition, Published, Put, Record};

use super::lookup::Lookup;
use super::session_handler::Handler;
use crate::clock;
use crate::mutex::lock;
use crate::trust::{GoCommand, Hit, Withheld};

/// So many of the live builds that were given a differing output are named.
const NAMED_BUILDS: usize = 32;

impl Handler {
    /// Whether what was found is withheld, so that the build computes it again. Files of modules are not: another mirror may have
    /// other bytes of the same file, and none may have it any more.
    pub(super) fn withholds(&self, action: &ActionId, found: &Lookup) -> bool {
        let is_writer = self.client.view.partition() == Some(Partition::Common);
        if !self.verification.is_on() || !is_writer || !self.client.is_of_go || self.build.knows(action) {
            return false;
        }
        let (cost, plain) = match found {
            Lookup::Hit(record) => (self.comparable_cost(record), Some(record.output.id)),
            Lookup::HitIfSame(candidates) => {
                (candidates.iter().filter_map(|one| self.comparable_cost(&one.record)).max(), None)
            }
            Lookup::HitIfListed(..)
            | Lookup::Quarantined
            | Lookup::Nothing
            | Lookup::Unverified(_)
            | Lookup::OnItsWay => (None, None),
        };
        let hit = (&self.build.withheld, Hit { action, plain, by: self.go_command() });
        cost.is_some_and(|cost_ms| self.verification.withholds(&self.build.id(), hit, cost_ms))
    }

    /// What it costs to compute an output of another build, of a layer, or of another machine, again. What this build put is its own; what it accepted has
    /// no build in its record (`note_own`).
    fn comparable_cost(&self, record: &Record) -> Option<u64> {
        let origin = &record.origin;
        let is_from_elsewhere = origin.is_of_layer() || origin.key.is_some();
        let is_of_another = origin.build.map_or(is_from_elsewhere, |build| build != self.build.id());
        let is_for_all = origin.partition == Partition::Common;
        (is_of_another && is_for_all && is_comparable(record.kind)).then_some(record.cost_ms)
    }

    /// Compares what the build put with what is shared, which may have been withheld from it. Who put that chose whether it has a
    /// condition: what this build found is compared, whether it puts its own under a condition or not.
    pub(super) fn compare(&self, put: &Put<'_>, (computed, kind): (&OutputId, Kind), published: &Published) {
        let hit = (&self.build.withheld, &put.action);
        let withheld = self.verification.take(hit, self.go_command(), put.cost_ms);
        let Some(Withheld { plain, .. }) = withheld.filter(|_| is_comparable(kind)) else {
            match published {
                Published::Conflict(shared) => self.warn_of_conflict(&put.action, computed, shared),
                Published::Outranks(remote) => self.warn_of_outranked(&put.action, computed, remote),
                Published::New | Published::Again | Published::Quarantined => {}
            }
            return;
        };
        match (plain, published, put.condition) {
            (Some(plain), ..) => self
                .compare_all(&put.action, computed, |shared| shared.condition.is_none() && shared.output.id == plain),
            (None, Published::Again, _) => self.verification.note_compared(false),
            (None, Published::Conflict(shared), _) => {
                self.verification.note_compared(true);
                self.differs(&put.action, computed, shared);
            }
            (None, Published::Outranks(remote), _) => {
                self.verification.note_compared(true);
                self.warn_of_outranked(&put.action, computed, remote);
            }
            // Each of those under conditions was found for go commands as this one.
            (None, Published::New, None) => {
                self.compare_all(&put.action, computed, |shared| self.is_candidate(shared));
            }
            // None of the conditions that were found held here.
            (None, Published::New | Published::Quarantined, _) => {}
        }
    }

    /// The same, of what is kept for the build: a condition may come later, and with it [`Handler::compare`].
    pub(super) fn compare_kept(&self, put: &Put<'_>, computed: (&OutputId, Kind)) {
        let is_plain = |withheld: &Withheld| withheld.plain.is_some();
        if lock(&self.build.withheld).get(&put.action, self.go_command()).is_some_and(is_plain) {
            self.compare(put, computed, &Published::New);
        }
    }

    fn go_command(&self) -> GoCommand<'_> {
        let (namespace, only_conditional) = (self.client.view.writes.as_ref(), self.client.only_conditional);
        GoCommand { namespace, only_conditional }
    }

    /// Compares with what is shared now, of what was withheld.
    fn compare_all(&self, action: &ActionId, computed: &OutputId, was_withheld: impl Fn(&Record) -> bool) {
        let found = self.store.get(&self.client.view, action, clock::now()).unwrap_or_else(|e| {
            self.warn(&e);
            Found::default()
        });
        let shared: Vec<_> = found.plain.into_iter().chain(found.conditional).filter(was_withheld).collect();
        let other: Vec<_> = shared.iter().filter(|shared| shared.output.id != *computed).collect();
        if !shared.is_empty() {
            self.verification.note_compared(!other.is_empty());
        }
        other.iter().for_each(|other| self.differs(action, computed, other));
    }

    fn differs(&self, action: &ActionId, computed: &OutputId, shared: &Record) {
        let of = (&shared.output.id, shared.condition.as_ref());
        let (given_to, became) = match self.store.quarantine(&self.client.view, action, of) {
            Ok((builds, error)) => {
                error.iter().for_each(|e| self.warn(e));
                (builds, "in quarantine")
            }
            Err(e) => {
                self.warn(&e);
                (Vec::new(), self.remove(action, shared))
            }
        };
        // To this build it was exposed and not given: it was found before it was withheld.
        let mut given_to: Vec<_> =
            given_to.iter().filter(|one| **one != self.build.id()).map(|one| one.short()).collect();
        if given_to.len() > NAMED_BUILDS {
            let more = given_to.split_off(NAMED_BUILDS).len();
            given_to.push(format!("{more} more"));
        }
        let difference = OutputDifference {
            at: clock::unix(clock::now()),
            action: short(&action.0),
            package: self.package_of(shared).unwrap_or_default(),
            scope: shared.condition.as_ref().map_or(String::new(), |condition| condition.scope.to_string()),
            shared: ComputedOutput {
                output: short(&shared.output.id.0),
                build: shared.origin.build.map_or(String::new(), |build| build.short()),
                name: shared.origin.name.as_str().to_owned(),
            },
            computed: ComputedOutput {
                output: short(&computed.0),
                build: self.build.id().short(),
                name: self.build.name().to_owned(),
            },
            given_to,
        };
        self.build.warn_rate_limited(format_args!("shadow verification: {difference}; {became}"));
        self.verification.note_difference(difference);
    }

    /// What cannot be put in quarantine is not served either: without its record the next put decides.
    fn remove(&self, action: &ActionId, shared: &Record) -> &'static str {
        match self.store.forget(&self.client.view, action, shared) {
            Ok(()) => "removed",
            Err(e) => {
                self.warn(&e);
                "still in service"
            }
        }
    }

    /// The package of an archive.
    fn package_of(&self, shared: &Record) -> Option<String> {
        let path = self.store.object(shared.output).inspect_err(|e| log::debug!("{}", with_causes(e))).ok()??;
        let file = std::fs::File::open(path).ok()?;
        Archive::read(&|bytes: &mut [u8], at| file.read_exact_at(bytes, at)).map(|archive| archive.path)
    }
}

/// Whether an output of this kind is computed again after a miss, and is the same each time. What a compiler or vet printed is not: cmd/go
/// takes a miss for "it printed nothing", and puts nothing. The key of a toolchain's index is proved and its body is not.
fn is_comparable(kind: Kind) -> bool {
    matches!(kind, Kind::Archive | Kind::StoreIndex)
}

fn short(id: &[u8; 32]) -> String {
    hex(&id[..8])
}
