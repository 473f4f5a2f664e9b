//! Shadow verification: which hits are withheld, so that a build computes the output again, and what differed. The budget is compile
//! time, and is kept over restarts. Withheld and compared in session/handler/withhold.rs.

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
use crate::limits::{DIFFERENCES, DIFFERENCES_AGE};
use crate::mutex::lock;

/// One hit in so many is withheld while there is a budget. Which one follows from the build's id, which is random: who put an output
/// cannot know whether it will be computed again.
const ONE_IN: u8 = 16;

/// See the file's header.
#[derive(Debug)]
pub(crate) struct ShadowVerification {
    store: Arc<Store>,
    path: PathBuf,
    /// Seconds of compile time an hour; 0: nothing is withheld.
    seconds_per_hour: u32,
    /// Guards nothing else; no file is touched while it is held.
    state: Mutex<State>,
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
        Self { store, path, seconds_per_hour, state: Mutex::new(state) }
    }

    /// Whether a hit on this action is withheld from this build; `cost_ms` is what it costs to compute.
    pub(crate) fn withholds(&self, build: &BuildId, action: &ActionId, cost_ms: u64) -> bool {
        self.seconds_per_hour > 0
            && is_chosen(build, action)
            && lock(&self.state).budget.spend(cost_ms, self.seconds_per_hour, clock::unix_ms(clock::now()))
    }

    /// A build computed an output again, and it is the same.
    pub(crate) fn is_same(&self) {
        lock(&self.state).compared += 1;
    }

    /// It is another one.
    pub(crate) fn differs(&self, difference: OutputDifference) {
        {
            let mut state = lock(&self.state);
            state.compared += 1;
            state.differing += 1;
            state.differences.push_front(difference);
            state.differences.truncate(DIFFERENCES);
        }
        self.save();
    }

    /// Writes it to the disk, if there is anything to say.
    pub(crate) fn save(&self) {
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

/// Compile time that may be spent: it grows with time, up to what an hour has.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Budget {
    left_us: u64,
    /// When that was, in milliseconds since 1970.
    at_ms: u64,
}

impl Budget {
    /// Whether there is enough; then it is spent.
    fn spend(&mut self, cost_ms: u64, seconds_per_hour: u32, now_ms: u64) -> bool {
        let since_ms = now_ms.saturating_sub(self.at_ms);
        let gained = u128::from(since_ms) * u128::from(seconds_per_hour) * 1000 / 3600;
        let most = u64::from(seconds_per_hour) * 1_000_000;
        // Less than a microsecond is kept for the next time. A clock that went back gives nothing until it is where it was, or a day.
        let is_far_back = self.at_ms.saturating_sub(now_ms) > 86_400_000;
        if gained > 0 || is_far_back {
            self.at_ms = now_ms;
        }
        self.left_us = most.min(self.left_us.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX)));
        let left = cost_ms.checked_mul(1000).and_then(|cost| self.left_us.checked_sub(cost));
        left.inspect(|left| self.left_us = *left).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_of_an_hour_is_spent_once() {
        const START: u64 = 1_700_000_000_000;
        let mut budget = Budget::default();
        let mut spent = |cost_ms, now_ms| budget.spend(cost_ms, 60, START + now_ms);
        assert!(!spent(60_001, 0), "more than an hour has");
        assert!(spent(59_999, 0) && spent(1, 0) && !spent(1, 0));
        assert!(!spent(1, 59) && spent(1, 61) && !spent(1, 61), "60 s an hour are 1 ms in 60");
        assert!((0..1000).filter(|n| spent(1, 100 + n)).count() <= 17, "often asked is not more");
        assert!(spent(60_000, 3_700_000) && !spent(1, 3_700_000), "an hour later");
        assert!(!spent(1, 0) && !spent(1, 3_700_059) && spent(1, 3_700_062), "a clock that went back");
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
