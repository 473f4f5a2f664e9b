//! Shadow verification: which hits are withheld, so that a build computes the output again, and what differed. The budget is compile
//! time; what is left of it is written at a clean stop. `session/handler/compare_outputs.rs` withholds and compares.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use proto::control::{OutputDifference, Verification};
use proto::error::with_causes;
use proto::{ActionId, BuildId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::Store;

use crate::clock;
use crate::limits::{DIFFERENCES, DIFFERENCES_AGE, DIFFERENCES_OF_A_BUILD};
use crate::mutex::lock;
use crate::trust::withheld::{GoCommand, Hit, Withheld, WithheldHits};

/// One hit in so many is withheld while there is a budget. Which one follows from the build's id, which is random: who put an output
/// cannot know whether it will be computed again.
const ONE_IN: u8 = 16;

/// What an output is taken to cost at least. Who puts without a get claims that it cost nothing.
const LEAST_COST_MS: u64 = 100;

/// One build spends one part in so many of an hour's budget, and what one output takes beyond that: code that runs in it could spend all
/// by asking.
const PARTS: u64 = 4;

/// How many hours' budgets an output can cost that a build says to have computed for so long.
const MOST_HOURS: u64 = 24;

/// See the file's header.
#[derive(Debug)]
pub(crate) struct ShadowVerification {
    store: Arc<Store>,
    path: PathBuf,
    /// Seconds of compile time an hour; 0: nothing is withheld.
    seconds_per_hour: u32,
    /// Guards nothing else; no file is touched while it is held. Locked after a build's hits that are withheld, never before.
    state: Mutex<State>,
    /// Held while the file is written, and locked first: the latest state is the last one written.
    saving: Mutex<()>,
}

/// What is kept on the disk.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct State {
    budget: Budget,
    compared: u64,
    differing: u64,
    /// The newest first.
    differences: VecDeque<OutputDifference>,
}

impl ShadowVerification {
    /// Reads what an earlier daemon wrote. A damaged file is an empty state: what is in quarantine, the store has.
    pub(crate) fn load(store: Arc<Store>, seconds_per_hour: u32) -> Self {
        let path = store.root().join("verification.json");
        let read = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let mut state: State = read.unwrap_or_default();
        let oldest = clock::unix(clock::now()).saturating_sub(DIFFERENCES_AGE);
        state.differences.retain(|difference| difference.at >= oldest);
        state.differences.truncate(DIFFERENCES);
        Self { store, path, seconds_per_hour, state: Mutex::new(state), saving: Mutex::default() }
    }

    /// Whether this hit is withheld from this build. `cost_ms` is what it costs to compute: the build that put the output claims it.
    pub(crate) fn withholds(
        &self,
        build: &BuildId,
        (hits, hit): (&Mutex<WithheldHits>, Hit<'_>),
        cost_ms: u64,
    ) -> bool {
        if self.seconds_per_hour == 0 || !is_chosen(build, hit.action) {
            return false;
        }
        let mut hits = lock(hits);
        let most_us = most_us(self.seconds_per_hour);
        if hits.has(hit.action) || hits.spent_us() >= most_us / PARTS {
            return false;
        }
        let now_ms = clock::unix_ms(clock::now());
        let spent = lock(&self.state).budget.spend(cost_ms.max(LEAST_COST_MS), self.seconds_per_hour, now_ms);
        spent.inspect(|&spent_us| hits.insert(hit, spent_us)).is_some()
    }

    /// What was withheld of this action, once: a go command of the build computed it, in so many milliseconds (0: unknown), for which it
    /// counts from now on.
    pub(crate) fn take(
        &self,
        (hits, action): (&Mutex<WithheldHits>, &ActionId),
        by: GoCommand<'_>,
        cost_ms: u64,
    ) -> Option<Withheld> {
        let mut hits = lock(hits);
        let withheld = hits.remove(action, by)?;
        if cost_ms > 0 {
            let real_us = cost_ms.max(LEAST_COST_MS).saturating_mul(1000);
            hits.correct(withheld.spent_us, real_us);
            lock(&self.state).budget.correct(withheld.spent_us, real_us, self.seconds_per_hour);
        }
        Some(withheld)
    }

    /// Whether anything is withheld.
    pub(crate) fn is_on(&self) -> bool {
        self.seconds_per_hour > 0
    }

    /// Whether a hit for this action may be withheld from this build.
    pub(crate) fn may_withhold(&self, build: &BuildId, action: &ActionId) -> bool {
        self.is_on() && is_chosen(build, action)
    }

    /// A build computed an output again, and it was compared with what is shared.
    pub(crate) fn note_compared(&self, differs: bool) {
        let mut state = lock(&self.state);
        state.compared += 1;
        state.differing += u64::from(differs);
    }

    /// An output that is shared differs from one that a build computed again.
    pub(crate) fn note_difference(&self, difference: OutputDifference) {
        {
            let mut state = lock(&self.state);
            let of_build = |one: &&OutputDifference| one.computed.build == difference.computed.build;
            if state.differences.iter().filter(of_build).count() < DIFFERENCES_OF_A_BUILD {
                state.differences.push_front(difference);
                state.differences.truncate(DIFFERENCES);
            }
        }
        self.save();
    }

    /// Writes it to the disk, unless verification was never on.
    pub(crate) fn save(&self) {
        let _one_at_a_time = lock(&self.saving);
        let state = lock(&self.state).clone();
        if self.seconds_per_hour == 0 && state.compared == 0 {
            return;
        }
        let json = serde_json::to_vec(&state).unwrap_or_default();
        if let Err(e) = self.store.write_file(&self.path, &json) {
            log::warn!("{}", with_causes(&e));
        }
    }

    /// What the status has of it.
    pub(crate) fn status(&self) -> Verification {
        let State { compared, differing, differences, .. } = lock(&self.state).clone();
        Verification { seconds_per_hour: self.seconds_per_hour, compared, differing, differences: differences.into() }
    }
}

fn is_chosen(build: &BuildId, action: &ActionId) -> bool {
    let hash = Sha256::new().chain_update(build.0).chain_update(action.0).finalize();
    hash[0] < u8::MAX / ONE_IN + 1
}

/// What an hour has.
fn most_us(seconds_per_hour: u32) -> u64 {
    u64::from(seconds_per_hour) * 1_000_000
}

/// Compile time that may be spent: it grows with time, up to what an hour has. An output may take more than is left, as what it costs
/// is a claim of who put it: nothing is to be too expensive to be looked at. Then that is made up for first.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Budget {
    left_us: u64,
    /// What was spent beyond what was left.
    owed_us: u64,
    /// When that was, in milliseconds since 1970.
    at_ms: u64,
}

impl Budget {
    /// Spends what an output costs, up to what an hour has, if anything is left. How much that is.
    fn spend(&mut self, cost_ms: u64, seconds_per_hour: u32, now_ms: u64) -> Option<u64> {
        let since_ms = now_ms.saturating_sub(self.at_ms);
        let gained = u128::from(since_ms) * u128::from(seconds_per_hour) * 1000 / 3600;
        // Less than a microsecond is kept for the next time. A clock that went back gives nothing until it is where it was, or a day.
        let is_far_back = self.at_ms.saturating_sub(now_ms) > 86_400_000;
        if gained > 0 || is_far_back {
            self.at_ms = now_ms;
        }
        let most_us = most_us(seconds_per_hour);
        self.give(u64::try_from(gained).unwrap_or(u64::MAX), most_us);
        let cost_us = cost_ms.saturating_mul(1000).min(most_us);
        (self.left_us > 0).then(|| {
            self.take(cost_us);
            cost_us
        })
    }

    /// An output for which so much was spent took another time.
    fn correct(&mut self, spent_us: u64, real_us: u64, seconds_per_hour: u32) {
        let most_us = most_us(seconds_per_hour);
        let real_us = real_us.min(most_us * MOST_HOURS);
        self.give(spent_us.saturating_sub(real_us), most_us);
        self.take(real_us.saturating_sub(spent_us));
    }

    fn give(&mut self, us: u64, most_us: u64) {
        let paid = us.min(self.owed_us);
        self.owed_us -= paid;
        self.left_us = most_us.min(self.left_us.saturating_add(us - paid));
    }

    fn take(&mut self, us: u64) {
        let taken = us.min(self.left_us);
        self.left_us -= taken;
        self.owed_us = self.owed_us.saturating_add(us - taken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::control::ComputedOutput;

    const START: u64 = 1_700_000_000_000;

    #[test]
    fn the_budget_of_an_hour_is_spent_once() {
        let mut budget = Budget::default();
        let mut spent = |cost_ms, now_ms| budget.spend(cost_ms, 60, START + now_ms).is_some();
        assert!(spent(59_999, 0) && spent(1, 0) && !spent(1, 0));
        assert!(!spent(1, 0) && spent(1, 60) && !spent(1, 60), "60 s an hour are 1 ms in 60");
        assert!((0..1000).filter(|n| spent(1, 100 + n)).count() <= 18, "often asked is not more");
        assert!(spent(60_000, 3_700_000) && !spent(1, 3_700_000), "an hour later");
        assert!(!spent(1, 0) && !spent(1, 3_700_000) && spent(1, 3_700_062), "a clock that went back");
    }

    #[test]
    fn what_takes_more_than_is_left_is_made_up_for() {
        let mut budget = Budget::default();
        let mut spent = |cost_ms, now_ms| budget.spend(cost_ms, 60, START + now_ms);
        assert_eq!(spent(59_999, 0), Some(59_999_000));
        assert_eq!(spent(u64::MAX, 0), Some(60_000_000), "a claim counts as an hour's at most");
        assert_eq!((spent(1, 3_599_000), spent(1, 3_601_000)), (None, Some(1000)));
        budget.correct(60_000_000, 1_000_000, 60);
        assert_eq!((budget.owed_us, budget.left_us > 58_000_000), (0, true), "it took a second");
        budget.correct(1_000_000, u64::MAX, 60);
        assert!(budget.owed_us > 22 * 3_600_000_000 / 60 && budget.owed_us <= 24 * 60_000_000, "a day's at most");
        assert!(budget.spend(1, 60, START + 30 * 86_400_000).is_some());
    }

    fn verification(seconds_per_hour: u32) -> (tempfile::TempDir, ShadowVerification) {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), store::Access::Owner).unwrap());
        (dir, ShadowVerification::load(store, seconds_per_hour))
    }

    #[test]
    fn what_one_build_finds_keeps_what_others_found() {
        let (_dir, verification) = verification(4);
        let found_by = |build: &str| {
            verification.note_compared(true);
            let computed = ComputedOutput { build: build.to_owned(), ..ComputedOutput::default() };
            verification.note_difference(OutputDifference { computed, ..OutputDifference::default() });
        };
        found_by("victim");
        (0..1000).for_each(|_| found_by("hostile"));
        let Verification { differing, differences, .. } = verification.status();
        assert_eq!((differing, differences.len()), (1001, 1 + DIFFERENCES_OF_A_BUILD));
        assert_eq!(differences.last().unwrap().computed.build, "victim");
    }

    #[test]
    fn a_build_spends_a_part_and_nothing_twice() {
        let (_dir, verification) = verification(4);
        let builds = [1, 2].map(|n| (BuildId([n; 16]), Mutex::<WithheldHits>::default()));
        let withheld = |(build, hits): &(BuildId, Mutex<WithheldHits>)| {
            let by = GoCommand { namespace: None, only_conditional: false };
            let action = |n: u32| ActionId(Sha256::digest(n.to_le_bytes()).into());
            let ask = |n| verification.withholds(build, (hits, Hit { action: &action(n), plain: None, by }), 0);
            (0..1000).chain(0..1000).filter(|n| ask(*n)).count()
        };
        assert_eq!((withheld(&builds[0]), withheld(&builds[1])), (10, 10), "a second each");
    }

    #[test]
    fn one_hit_in_sixteen_is_chosen_whatever_the_build() {
        for build in 0..4 {
            let chosen = (0..4096u32).filter(|n| {
                let mut action = ActionId([0; 32]);
                action.0[..4].copy_from_slice(&n.to_le_bytes());
                is_chosen(&BuildId([build; 16]), &action)
            });
            assert!((180..340).contains(&chosen.count()), "{build}");
        }
    }
}
