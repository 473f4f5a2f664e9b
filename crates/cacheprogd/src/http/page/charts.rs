//! The steps of the charts: the latest days, or hours and minutes where the cache is younger. Pure.

use proto::figures::{bytes, packages, saved};
use serde::Serialize;

use crate::limits::TIME_SERIES_STEPS;
use crate::telemetry::time_series::{Step, TimeSeries};

/// One step as the charts draw it: heights, and the same in words.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct ChartStep {
    /// When it begins, in seconds since 1970.
    at: u64,
    /// Milliseconds.
    saved: u64,
    saved_text: String,
    /// Packages from the cache, and those that were compiled.
    served: u64,
    compiled: u64,
    packages_text: String,
    bytes: u64,
    bytes_text: String,
}

/// The steps of all charts.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Chart {
    pub(crate) steps: Vec<ChartStep>,
    pub(crate) step_seconds: u64,
    pub(crate) step_words: &'static str,
}

/// For how many seconds minutes, hours and days are drawn, and what they are called.
const SHOWN: [(u64, &str); 3] = [(86_400, "five minutes"), (2 * 86_400, "hour"), (30 * 86_400, "day")];

/// The coarsest steps of which there are two; else the finest ones.
pub(crate) fn chart(series: &TimeSeries, now: u64) -> Chart {
    let shown = |n: usize| series.steps[n].iter().filter(move |step| step.at + SHOWN[n].0 > now);
    let n = [2, 1].into_iter().find(|&n| shown(n).count() > 1).unwrap_or(0);
    Chart { steps: shown(n).map(drawn).collect(), step_seconds: TIME_SERIES_STEPS[n].0, step_words: SHOWN[n].1 }
}

fn drawn(step: &Step) -> ChartStep {
    let Step { at, counts, bytes: size, .. } = step;
    ChartStep {
        at: *at,
        saved: counts.saved_milliseconds,
        saved_text: saved(counts),
        served: counts.packages_needed.saturating_sub(counts.packages_compiled),
        compiled: counts.packages_compiled,
        packages_text: packages(counts.packages_compiled, counts.packages_needed),
        bytes: *size,
        bytes_text: bytes(*size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    /// The steps that are drawn of a cache that was used at these times, before a noon.
    fn drawn_at(ago: &[u64]) -> (usize, u64) {
        let (now, mut series) = (100 * DAY + DAY / 2, TimeSeries::default());
        for ago in ago {
            series.add(&Step { at: now - ago, ..Step::default() });
        }
        let Chart { steps, step_seconds, .. } = chart(&series, now);
        (steps.len(), step_seconds)
    }

    #[test]
    fn days_are_drawn_where_there_are_two_and_before_that_hours_or_minutes() {
        assert_eq!(drawn_at(&[]), (0, 300));
        assert_eq!(drawn_at(&[0]), (1, 300));
        assert_eq!(drawn_at(&[7200, 7199, 0]), (2, 3600));
        assert_eq!(drawn_at(&[40 * DAY, 3 * DAY, DAY, 60]), (3, DAY), "what is older than 30 days is not drawn");
    }
}
