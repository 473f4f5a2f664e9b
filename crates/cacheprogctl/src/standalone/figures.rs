//! Figures of go commands as rows of tables. Pure.

use std::time::Duration;

use proto::figures::{bytes, duration, percent};
use store::GoFigures;

/// The columns of [`row`], after those that name it.
pub(crate) const COLUMNS: [&str; 8] = ["compiled", "needed", "hits", "misses", "hit rate", "served", "put", "saved"];

/// Seconds of a day.
const DAY: u64 = 24 * 3600;

/// What go commands got.
pub(crate) fn row(figures: &GoFigures) -> [String; 8] {
    let misses = figures.misses();
    [
        figures.packages_compiled.to_string(),
        figures.packages_needed.to_string(),
        figures.hits.to_string(),
        misses.to_string(),
        percent(figures.hits, figures.hits.saturating_add(misses)),
        bytes(figures.bytes_served),
        bytes(figures.bytes_put),
        duration(Duration::from_millis(figures.saved_ms)),
    ]
}

/// A day by its number since 1970: `2026-11-27`.
pub(crate) fn date(day: u64) -> String {
    // A day that no calendar has is not printed.
    let at = Duration::from_secs(day.min(1 << 20) * DAY);
    let text = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + at).to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_columns_and_a_day_its_date() {
        let figures =
            GoFigures { hits: 3, new: 1, never_put: 9, bytes_served: 2048, saved_ms: 61_000, ..GoFigures::default() };
        assert_eq!(row(&figures), ["0", "0", "3", "1", "75 %", "2.0 KiB", "0 B", "1 min 1 s"]);
        assert_eq!(row(&GoFigures::default())[4], "-");
        assert_eq!((date(0), date(20_784)), ("1970-01-01".to_owned(), "2026-11-27".to_owned()));
        assert!(!date(u64::MAX).is_empty());
    }
}
