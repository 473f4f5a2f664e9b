//! Shadow verification in a session: a hit that is withheld, and what the build then computed. Of what all users read, in builds that
//! write it: no other user can have an output taken out of service.
//!
//! Which hits and how many, trust/verification.rs decides.

use std::os::unix::fs::FileExt;

use proto::control::{ComputedOutput, OutputDifference};
use proto::error::with_causes;
use proto::id::hex;
use proto::{ActionId, OutputId};
use store::archive::Archive;
use store::{Kind, Partition, Published, Put, Record};

use super::lookup::Lookup;
use super::session_handler::Handler;
use crate::clock;
use crate::mutex::lock;

/// What an output is taken to cost at least.
const UNKNOWN_COST_MS: u64 = 100;

impl Handler {
    /// Whether what was found is withheld, so that the build computes it again.
    pub(super) fn withholds(&self, action: &ActionId, found: &Lookup) -> bool {
        if self.client.view.partition() != Some(Partition::Common) || self.build.knows(action) {
            return false;
        }
        let cost = match found {
            Lookup::Hit(record) => comparable_cost(record),
            Lookup::HitIfSame(candidates) => candidates.iter().map(|one| comparable_cost(&one.record)).max().flatten(),
            Lookup::HitIfListed(..) | Lookup::Quarantined | Lookup::Nothing | Lookup::Unverified(_) => None,
        };
        let is_withheld = cost.is_some_and(|cost_ms| self.verification.withholds(&self.build.id(), action, cost_ms));
        if is_withheld {
            lock(&self.withheld).insert(*action, ());
        }
        is_withheld
    }

    /// Compares what the build put with what is shared, which may have been withheld from it.
    pub(super) fn compare(&self, put: &Put<'_>, computed: &OutputId, published: &Published) {
        let was_withheld = lock(&self.withheld).remove(&put.action).is_some();
        match published {
            Published::Again if was_withheld => self.verification.is_same(),
            Published::Conflict(shared) if was_withheld => self.differs(put, computed, shared),
            Published::Conflict(shared) => self.warn_of_conflict(&put.action, computed, shared),
            // What was withheld went meanwhile, or the condition is another one.
            Published::New | Published::Again | Published::Quarantined => {}
        }
    }

    fn differs(&self, put: &Put<'_>, computed: &OutputId, shared: &Record) {
        let out_of_service = self.store.quarantine(&self.client.view, &put.action, (&shared.output.id, put.condition));
        let given_to = out_of_service.unwrap_or_else(|e| {
            self.warn(&e);
            Vec::new()
        });
        let difference = OutputDifference {
            at: clock::unix(clock::now()),
            action: short(&put.action.0),
            package: self.package_of(shared).unwrap_or_default(),
            scope: put.condition.map_or(String::new(), |condition| condition.scope.to_string()),
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
            // To this build it was exposed and not given: it was found before it was withheld.
            given_to: given_to.iter().filter(|one| **one != self.build.id()).map(|one| one.short()).collect(),
        };
        self.build.warn_rate_limited(format_args!("shadow verification: {difference}; in quarantine"));
        self.verification.differs(difference);
    }

    /// The package of an archive.
    fn package_of(&self, shared: &Record) -> Option<String> {
        let path = self.store.object(shared.output).inspect_err(|e| log::debug!("{}", with_causes(e))).ok()??;
        let file = std::fs::File::open(path).ok()?;
        Archive::read(&|bytes: &mut [u8], at| file.read_exact_at(bytes, at)).map(|archive| archive.path)
    }
}

/// What it costs to compute an output again that is the same each time. What a test prints has times in it.
fn comparable_cost(record: &Record) -> Option<u64> {
    let is_comparable = matches!(record.kind, Kind::Content | Kind::Archive);
    // Who puts without a get claims that it cost nothing.
    let cost_ms = record.cost_ms.max(UNKNOWN_COST_MS);
    (is_comparable && record.origin.partition == Partition::Common).then_some(cost_ms)
}

fn short(id: &[u8; 32]) -> String {
    hex(&id[..8])
}
