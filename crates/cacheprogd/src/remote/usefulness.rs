//! Whether builds ask for what is fetched for them. Where they do not, again and again, builds of that name get what they ask for and nothing ahead.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Instant;

use proto::ActionId;
use remote::series::Series;

use crate::limits::{REMOTE_FETCHED, REMOTE_USEFUL, REMOTE_USELESS, UPLOADS};
use crate::mutex::lock;

/// What one prefetch fetched, or would have fetched, that was not asked for yet, and how much was.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    unused: HashSet<ActionId>,
    used: usize,
}

impl Fetched {
    pub(super) fn note_fetched(&mut self, action: &ActionId) {
        if self.unused.len() < REMOTE_FETCHED {
            self.unused.insert(*action);
        }
    }

    /// It is asked for; of a prefetch, it was there in time.
    pub(super) fn note_used(&mut self, action: &ActionId) {
        self.used += usize::from(self.unused.remove(action));
    }

    /// Whether enough of it was asked for; `None` where little was fetched.
    fn was_useful(&self) -> Option<bool> {
        let all = self.unused.len() + self.used;
        (all >= REMOTE_USEFUL.0).then_some(self.used * REMOTE_USEFUL.1 >= all)
    }
}

/// For each name, how many prefetches in a row were of little use, and when the last one ended.
#[derive(Debug, Default)]
pub(super) struct Usefulness(Mutex<HashMap<Series, (u32, Instant)>>);

impl Usefulness {
    pub(super) fn note(&self, series: &Series, fetched: &Fetched) {
        let Some(useful) = fetched.was_useful() else { return };
        let mut all = lock(&self.0);
        all.retain(|_, (_, last)| last.elapsed() < REMOTE_USELESS.1);
        if useful {
            if all.remove(series).is_some_and(|(times, _)| times >= REMOTE_USELESS.0) {
                log::info!(
                    "{series}: a build asked for much of what is there: the next one has it fetched ahead again"
                );
            }
        } else if all.len() < UPLOADS || all.contains_key(series) {
            let (times, last) = all.entry(series.clone()).or_insert((0, Instant::now()));
            (*times, *last) = (*times + 1, Instant::now());
            if *times == REMOTE_USELESS.0 {
                log::warn!(
                    "{series}: builds ask for little of what is fetched: from now on they get what they ask for, and nothing ahead"
                );
            }
        }
    }

    /// Whether nothing is to be fetched ahead.
    pub(super) fn is_useless(&self, series: &Series) -> bool {
        let is_over = |last: &Instant| last.elapsed() >= REMOTE_USELESS.1;
        lock(&self.0).get(series).is_some_and(|(times, last)| *times >= REMOTE_USELESS.0 && !is_over(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_no_use_three_times_in_a_row_is_not_fetched_any_more() {
        let [series, other] = ["caddy", "other"].map(|name| Series::new("common", &"0".repeat(32), name).unwrap());
        let all = Usefulness::default();
        let (few, many) = (REMOTE_USEFUL.0 as u8 - 1, REMOTE_USEFUL.0 as u8);
        let note = |fetched: u8, used: u8| {
            let mut of = Fetched::default();
            (0..fetched).for_each(|n| of.note_fetched(&ActionId([n; 32])));
            (0..used).for_each(|n| of.note_used(&ActionId([n; 32])));
            (200..250).for_each(|n| of.note_used(&ActionId([n; 32]))); // what was not fetched does not count
            all.note(&series, &of);
            all.is_useless(&series)
        };
        assert_eq!([(few, 0); 4].map(|(fetched, used)| note(fetched, used)), [false; 4], "there was little");
        let enough = many.div_ceil(3);
        let seen = [enough - 1, 0, enough, 0, 0, 0].map(|used| note(many, used));
        assert_eq!(seen, [false, false, false, false, false, true]);
        assert!(!all.is_useless(&other));
    }
}
