//! What the cache gave, by time: in steps of five minutes for a day, of an hour for a month, of a day for a year. Pure.

use std::collections::VecDeque;

use proto::control::{Counts, Span, Usage};
use serde::{Deserialize, Serialize};

/// Seconds of a step, and how many steps are kept: some 250 bytes each on the disk, less than half of it in memory.
const STEPS: [(u64, usize); 3] = [(300, 300), (3600, 31 * 24), (86_400, 400)];

/// What was done in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    /// When it begins, in seconds since 1970: a multiple of its length.
    pub(crate) at: u64,
    /// Builds that ended.
    pub(crate) builds: u64,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// What was in the store at its end.
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// All that is remembered. Times in which nothing was done have no step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Series {
    /// By five minutes, hours and days.
    pub(crate) steps: [VecDeque<Step>; 3],
}

impl Series {
    /// Adds what was done since the last time, and notes how much is in the store. `what.at` is now.
    pub(crate) fn add(&mut self, what: &Step) {
        for (steps, (length, most)) in self.steps.iter_mut().zip(STEPS) {
            let at = what.at - what.at % length;
            // A clock that was set back adds to the latest step.
            if steps.back().is_none_or(|last| last.at < at) {
                steps.push_back(Step { at, ..Step::default() });
            }
            if steps.len() > most {
                steps.pop_front();
            }
            if let Some(step) = steps.back_mut() {
                step.builds += what.builds;
                step.counts.add(&what.counts);
                (step.entries, step.bytes) = (what.entries, what.bytes);
            }
        }
    }

    /// The last hour, day and 30 days.
    pub(crate) fn usage(&self, now: u64) -> Usage {
        let [fives, hours, _] = &self.steps;
        Usage {
            hour: sum(fives, now.saturating_sub(3600), STEPS[0].0),
            day: sum(fives, now.saturating_sub(86_400), STEPS[0].0),
            month: sum(hours, now.saturating_sub(30 * 86_400), STEPS[1].0),
        }
    }

    /// Forgets what lies in the future: written down by a clock that was wrong. It would take in all that comes.
    pub(crate) fn forget_after(&mut self, now: u64) {
        for steps in &mut self.steps {
            steps.retain(|step| step.at <= now);
        }
    }
}

/// What was done in the steps that end after `since`.
fn sum(steps: &VecDeque<Step>, since: u64, length: u64) -> Span {
    let since = since - since % length;
    let mut span = Span { since, ..Span::default() };
    for step in steps.iter().filter(|step| step.at >= since) {
        span.builds += step.builds;
        span.counts.add(&step.counts);
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(at: u64, gets: u64) -> Step {
        Step { at, builds: 1, counts: Counts { gets, ..Counts::default() }, ..Step::default() }
    }

    #[test]
    fn an_hour_a_day_and_a_month_are_told_apart() {
        let mut series = Series::default();
        let now = 100 * 86_400;
        for (ago, gets) in [(40 * 86_400, 1), (20 * 86_400, 10), (7200, 100), (1800, 1000), (0, 10_000)] {
            series.add(&done(now - ago, gets));
        }
        let usage = series.usage(now);
        let gets = [usage.hour, usage.day, usage.month].map(|span| (span.builds, span.counts.gets));
        assert_eq!(gets, [(2, 11_000), (3, 11_100), (4, 11_110)]);
        assert_eq!(series.usage(now + 3900).hour.counts.gets, 0);
        assert_eq!(serde_json::from_str::<Series>(&serde_json::to_string(&series).unwrap()).unwrap(), series);
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered_and_the_future_is_forgotten() {
        let mut series = Series::default();
        for day in 0..1000 {
            for step in 0..3 {
                series.add(&done(day * 86_400 + step * 3600, 1));
            }
        }
        assert_eq!(series.steps.each_ref().map(VecDeque::len), STEPS.map(|(_, most)| most));
        series.forget_after(700 * 86_400);
        assert_eq!(series.steps[2].back().map(|step| step.at), Some(700 * 86_400));
        series.add(&done(600 * 86_400, 5));
        assert_eq!(series.steps[2].back().unwrap().counts.gets, 8, "a clock set back adds to the latest step");
    }
}
