//! The text of an answer. Pure.

use std::time::Duration;

use miss_causes::{Cause, Missed, verdict_text};
use proto::figures::{self, duration};

use super::answer::Answer;
use crate::terminal::{Style, Table, Tone};

/// How many missed packages are listed by default.
pub(crate) const MOST: usize = 15;

/// The whole answer.
pub(crate) fn text(answer: &Answer, most: usize, style: Style) -> String {
    let build = &answer.build;
    let packages = figures::packages(build.counts.packages_compiled, build.counts.packages_needed);
    let mut out = format!("{} ({}): {packages}", build.name, build.short);
    out += &match &answer.earlier {
        Some(earlier) if earlier.name == build.name => format!(", compared with {} before it\n", earlier.short),
        Some(earlier) => format!(", compared with {} ({}) before it\n", earlier.name, earlier.short),
        None => ", with no earlier build to compare with\n".to_owned(),
    };
    if answer.missed.is_empty() {
        return out + "nothing was missed\n";
    }
    let mut causes = Table::new(&["cause", "misses", "cost", "evidence", "detail"]);
    for group in &answer.causes {
        causes.row([
            miss_causes::cause_text(group.cause).to_owned(),
            group.misses.to_string(),
            duration(Duration::from_millis(group.cost_ms)),
            evidence(group.certain),
            group.detail.clone(),
        ]);
    }
    out += &format!("\n{}", causes.text(style));
    let mut missed: Vec<_> = answer.missed.iter().filter(|one| is_listed(one, most)).collect();
    missed.sort_by(|a, b| b.cost_ms.cmp(&a.cost_ms).then_with(|| a.path.cmp(&b.path)));
    let left = missed.len().saturating_sub(most);
    missed.truncate(most);
    if !missed.is_empty() {
        out += &format!("\n{}", list(&missed).text(style));
    }
    if left > 0 {
        out += &format!("{left} more: --all shows them\n");
    }
    if answer.left_out > 0 {
        out += &style.paint(Tone::Warn, &format!("{} actions are not listed: too many\n", answer.left_out));
    }
    out
}

/// Misses without a package are listed only where all are asked for.
fn is_listed(one: &Missed, most: usize) -> bool {
    most == usize::MAX || !one.path.is_empty()
}

fn list(missed: &[&Missed]) -> Table {
    let mut table = Table::new(&["package", "what", "cost", "cause", "evidence", "detail"]);
    for one in missed {
        table.row([
            if one.path.is_empty() { "-".to_owned() } else { one.path.clone() },
            one.what.to_owned(),
            duration(Duration::from_millis(one.cost_ms.into())),
            miss_causes::cause_text(one.verdict.cause).to_owned(),
            evidence(one.verdict.certain),
            if one.verdict.cause == Cause::FirstBuild { String::new() } else { verdict_text(&one.verdict) },
        ]);
    }
    table
}

fn evidence(certain: bool) -> String {
    if certain { "certain" } else { "inferred" }.to_owned()
}
