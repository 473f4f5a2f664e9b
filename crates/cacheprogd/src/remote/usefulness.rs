//! Whether what is fetched for builds of a name is used. Where it is not, again and again, nothing is fetched for a while.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Instant;

use proto::ActionId;
use remote::series::Series;

use crate::limits::{REMOTE_ASKED, REMOTE_USEFUL, REMOTE_USELESS, UPLOADS};
use crate::mutex::lock;

/// What was fetched by one prefetch, and what its builds asked for.
#[derive(Debug, Default)]
pub(super) struct Use {
    fetched: HashSet<ActionId>,
    asked: HashSet<ActionId>,
}

impl Use {
    pub(super) fn note_fetched(&mut self, action: &ActionId) {
        self.fetched.insert(*action);
    }

    pub(super) fn note_asked(&mut self, action: &ActionId) {
        if self.asked.len() < REMOTE_ASKED {
            self.asked.insert(*action);
        }
    }

    /// Whether enough of it was asked for; `None` where little was fetched.
    fn was_useful(&self) -> Option<bool> {
        let used = self.fetched.intersection(&self.asked).count();
        (self.fetched.len() >= REMOTE_USEFUL.0).then_some(used * REMOTE_USEFUL.1 >= self.fetched.len())
    }
}

/// For each name, how many prefetches in a row were of little use, and when the last one ended.
#[derive(Debug, Default)]
pub(super) struct Usefulness(Mutex<HashMap<Series, (u32, Instant)>>);

impl Usefulness {
    pub(super) fn note(&self, series: &Series, of: &Use) {
        let Some(useful) = of.was_useful() else { return };
        let mut all = lock(&self.0);
        if useful {
            all.remove(series);
        } else if all.len() < UPLOADS || all.contains_key(series) {
            let (times, last) = all.entry(series.clone()).or_insert((0, Instant::now()));
            (*times, *last) = (*times + 1, Instant::now());
            if *times == REMOTE_USELESS.0 {
                log::warn!("{series}: little of what is fetched is used: nothing is fetched for a day");
            }
        }
    }

    /// Whether nothing is to be fetched.
    pub(super) fn is_useless(&self, series: &Series) -> bool {
        lock(&self.0)
            .get(series)
            .is_some_and(|(times, last)| *times >= REMOTE_USELESS.0 && last.elapsed() < REMOTE_USELESS.1)
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
        let note = |fetched: u8, asked: u8| {
            let mut of = Use::default();
            (0..fetched).for_each(|n| of.note_fetched(&ActionId([n; 32])));
            (0..asked).for_each(|n| of.note_asked(&ActionId([n; 32])));
            all.note(&series, &of);
            all.is_useless(&series)
        };
        assert_eq!([(few, 0); 4].map(|(fetched, asked)| note(fetched, asked)), [false; 4], "there was little");
        let of_use = many.div_ceil(3);
        assert_eq!(
            [of_use - 1, 0, of_use, 0, 0, 0].map(|asked| note(many, asked)),
            [false, false, false, false, false, true]
        );
        assert!(!all.is_useless(&other));
    }
}
