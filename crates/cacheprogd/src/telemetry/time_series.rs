//! What the cache served, by time: in steps of five minutes for a day, of an hour for a month, of a day for a year. Pure: time is
//! an argument.
//!
//! `usage_recorder.rs` feeds it and keeps it on the disk.

use std::collections::VecDeque;

use proto::control::{Counts, Span, Usage};
use serde::{Deserialize, Serialize};

use crate::limits::TIME_SERIES_STEPS;

/// What was counted in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Step {
    /// When it begins, in seconds since 1970: a multiple of its length.
    pub(crate) at: u64,
    /// Builds that ended.
    pub(crate) builds: u64,
    #[serde(flatten)]
    pub(crate) counts: Counts,
    /// How much the store held at its end.
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// All steps. Times without a request have no step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TimeSeries {
    /// By five minutes, hours and days.
    pub(crate) steps: [VecDeque<Step>; 3],
}

impl TimeSeries {
    /// Adds what was counted since the last call, and how much the store holds. `new.at` is now.
    pub(crate) fn add(&mut self, new: &Step) {
        for (steps, (length, limit)) in self.steps.iter_mut().zip(TIME_SERIES_STEPS) {
            let at = new.at - new.at % length;
            // A clock that was set back adds to the latest step.
            if steps.back().is_none_or(|last| last.at < at) {
                steps.push_back(Step { at, ..Step::default() });
            }
            if steps.len() > limit {
                steps.pop_front();
            }
            if let Some(step) = steps.back_mut() {
                step.builds = step.builds.saturating_add(new.builds);
                step.counts.add(&new.counts);
                (step.entries, step.bytes) = (new.entries, new.bytes);
            }
        }
    }

    /// The last hour, day and 30 days.
    pub(crate) fn usage(&self, now: u64) -> Usage {
        let [minutes, hours, _] = &self.steps;
        let [(minutes_step, _), (hours_step, _), _] = TIME_SERIES_STEPS;
        Usage {
            hour: sum(minutes, now.saturating_sub(3600), minutes_step),
            day: sum(minutes, now.saturating_sub(86_400), minutes_step),
            month: sum(hours, now.saturating_sub(30 * 86_400), hours_step),
        }
    }

    /// Removes steps in the future, which a wrong clock has written: all that is counted from now on would be added to them.
    pub(crate) fn forget_after(&mut self, now: u64) {
        for steps in &mut self.steps {
            steps.retain(|step| step.at <= now);
        }
    }
}

/// The sum of the steps that end after `since`.
fn sum(steps: &VecDeque<Step>, since: u64, length: u64) -> Span {
    let since = since - since % length;
    let mut span = Span { since, ..Span::default() };
    for step in steps.iter().filter(|step| step.at >= since) {
        span.builds = span.builds.saturating_add(step.builds);
        span.counts.add(&step.counts);
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(at: u64, gets: u64) -> Step {
        Step { at, builds: 1, counts: Counts { gets, ..Counts::default() }, ..Step::default() }
    }

    #[test]
    fn an_hour_a_day_and_a_month_are_summed_separately() {
        let mut series = TimeSeries::default();
        let now = 100 * 86_400;
        for (ago, gets) in [(40 * 86_400, 1), (20 * 86_400, 10), (7200, 100), (1800, 1000), (0, 10_000)] {
            series.add(&step(now - ago, gets));
        }
        let usage = series.usage(now);
        let gets = [usage.hour, usage.day, usage.month].map(|span| (span.builds, span.counts.gets));
        assert_eq!(gets, [(2, 11_000), (3, 11_100), (4, 11_110)]);
        assert_eq!(series.usage(now + 3900).hour.counts.gets, 0);
        assert_eq!(serde_json::from_str::<TimeSeries>(&serde_json::to_string(&series).unwrap()).unwrap(), series);
    }

    #[test]
    fn the_number_of_steps_is_bounded_and_steps_in_the_future_are_removed() {
        let mut series = TimeSeries::default();
        for day in 0..1000 {
            for hour in 0..3 {
                series.add(&step(day * 86_400 + hour * 3600, 1));
            }
        }
        assert_eq!(series.steps.each_ref().map(VecDeque::len), TIME_SERIES_STEPS.map(|(_, limit)| limit));
        series.forget_after(700 * 86_400);
        assert_eq!(series.steps[2].back().map(|step| step.at), Some(700 * 86_400));
        series.add(&step(600 * 86_400, 5));
        assert_eq!(series.steps[2].back().unwrap().counts.gets, 8, "a clock set back adds to the latest step");
    }
}
