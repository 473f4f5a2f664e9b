//! The blinded table of a build: made in the background when the build is registered, of what the last build of its name asked for.
//! Its client answers gets from it without a word to the daemon.
//!
//! In the table is what each of the build's sessions would be answered with as a plain hit, and that need not be verified. What is
//! under a condition, what is to be computed again (`trust/shadow_verification.rs`) and all else is asked for.

use std::sync::Arc;
use std::thread;

use proto::error::with_causes;
use settings::Witnesses;
use store::{Disk, Kind, Limits, Record, Store};

use super::share_policy::{self, GetDecision, Proof, SharingRules};
use crate::builds::build::Build;
use crate::builds::registry::Registry;
use crate::clock;
use crate::context::Context;
use crate::limits::{PREPARATIONS, PREPARE_STACK, SMALL_WORKING_SET};
use crate::mutex::lock;
use crate::random::random;
use crate::telemetry::working_sets::WorkingSet;
use crate::trust::ShadowVerification;

/// What a table is made with.
struct Preparation {
    store: Arc<Store>,
    registry: Arc<Registry>,
    verification: Arc<ShadowVerification>,
    witnesses: Witnesses,
    limits: Limits,
    build: Arc<Build>,
}

/// Begins to prepare the table of a build that was registered now.
pub(crate) fn prepare(context: &Context, build: &Arc<Build>) {
    let Some(place) = context.registry.begin_preparation() else {
        return log::debug!("build {build}: no table: {PREPARATIONS} are being made or waited for");
    };
    let preparation = Preparation {
        store: context.store.clone(),
        registry: context.registry.clone(),
        verification: context.verification.clone(),
        witnesses: context.witnesses,
        limits: context.limits,
        build: build.clone(),
    };
    build.begin_table();
    let thread = thread::Builder::new().name("table".to_owned()).stack_size(PREPARE_STACK);
    let started = thread.spawn(move || {
        if let Err(e) = preparation.run() {
            log::debug!("build {}: no table: {}", preparation.build, with_causes(&*e));
        }
        preparation.build.end_table();
        drop(place);
    });
    if let Err(e) = started {
        log::debug!("build {build}: no table: {e}");
        build.end_table();
    }
}

impl Preparation {
    fn run(&self) -> Result<(), Box<dyn std::error::Error>> {
        let _one_at_a_time = lock(self.registry.preparing());
        let Some(expected) = self.registry.working_set(&self.build) else { return Ok(()) };
        let is_short = |disk| self.limits.is_short(disk);
        if expected.used.actions.len() < SMALL_WORKING_SET || Disk::of(self.store.root()).map_or(true, is_short) {
            return Ok(());
        }
        self.make(&expected)
    }

    fn make(&self, expected: &WorkingSet) -> Result<(), Box<dyn std::error::Error>> {
        let mut table = self.build.dir.begin_table(random()?)?;
        let view = self.build.view(&expected.toolchain);
        for action in expected.used.actions.iter().take_while(|_| !self.build.has_ended()) {
            if self.verification.may_withhold(&self.build.id(), action) {
                continue;
            }
            // A damaged record is reported when it is asked for.
            let plain = self.store.get(&view, action, clock::now()).ok().and_then(|found| found.plain);
            if let Some(record) = plain.filter(|record| self.is_hit(record)) {
                table.add(*action, &record);
            }
        }
        let salt = random()?;
        let finished = self.build.with_own_actions(|own| table.finish(salt, &expected.toolchain, own));
        let answers = finished.ok_or("the build has too many outputs of its own")??;
        log::debug!("build {}: its table has {answers} of {}", self.build, expected.used.actions.len());
        Ok(())
    }

    /// Whether each session of the build that reads its toolchain's own sources would be given it. A test's log is left out: the latest
    /// one counts.
    fn is_hit(&self, record: &Record) -> bool {
        let rules = SharingRules { shares_tests: false, only_conditional: false, witnesses: self.witnesses };
        let decision = share_policy::get_record(record, Proof::Toolchain, self.build.name(), rules);
        record.kind != Kind::TestLog && decision == GetDecision::Hit
    }
}
