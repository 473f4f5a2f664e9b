//! Why a build missed, for people. Pure.

use std::time::Duration;

use proto::figures::{self, duration, number};

use super::Answer;
use super::cause::{Cause, Missed};
use super::group::{self, Group};
use crate::table::{Look, Table, Tone};

/// Missed packages that are listed unless all are asked for.
pub(crate) const MOST: usize = 15;

/// The whole answer.
pub(crate) fn answer(answer: &Answer, most: usize, look: Look) -> String {
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
    let mut causes = Table::new(&["cause", "misses", "cost", "sure", "what"]);
    for group in &answer.causes {
        causes.row([
            group::words(group.cause).to_owned(),
            group.misses.to_string(),
            duration(Duration::from_millis(group.cost_ms)),
            sure(group.certain),
            group.detail.clone(),
        ]);
    }
    out += &format!("\n{}", causes.text(look));
    let mut missed: Vec<_> = answer.missed.iter().filter(|one| is_told(one, most)).collect();
    missed.sort_by(|a, b| b.cost_ms.cmp(&a.cost_ms).then_with(|| a.path.cmp(&b.path)));
    let left = missed.len().saturating_sub(most);
    missed.truncate(most);
    if !missed.is_empty() {
        out += &format!("\n{}", list(&missed).text(look));
    }
    if left > 0 {
        out += &format!("and {left} more: --all\n");
    }
    if answer.left_out > 0 {
        out += &look.paint(Tone::Poor, &format!("{} actions are not listed: too many\n", answer.left_out));
    }
    out
}

/// What has no package tells little one by one.
fn is_told(one: &Missed, most: usize) -> bool {
    most == usize::MAX || !one.path.is_empty()
}

fn list(missed: &[&Missed]) -> Table {
    let mut table = Table::new(&["package", "what", "cost", "cause", "sure", "why"]);
    for one in missed {
        table.row([
            if one.path.is_empty() { "-".to_owned() } else { one.path.clone() },
            one.what.to_owned(),
            duration(Duration::from_millis(one.cost_ms.into())),
            group::words(one.verdict.cause).to_owned(),
            sure(one.verdict.certain),
            if one.verdict.cause == Cause::FirstBuild { String::new() } else { group::full(&one.verdict) },
        ]);
    }
    table
}

fn sure(certain: bool) -> String {
    if certain { "certain" } else { "inferred" }.to_owned()
}

/// One cause, for a build's log.
pub(crate) fn headline(group: &Group, all: u64) -> String {
    let Group { cause, misses, detail, .. } = group;
    let misses = if *misses == all { number(all) } else { format!("{} of {}", number(*misses), number(all)) };
    let of = format!("{misses} misses");
    match detail.as_str() {
        "" => format!("{of}: {}", group::words(*cause)),
        detail => format!("{of}: {} ({detail})", group::words(*cause)),
    }
}
