//! The page: one HTML file with its data in it, which loads nothing from elsewhere.
//!
//! All figures are rounded and worded here, by the functions that the command line uses (proto: figures.rs); the script in the
//! file only draws.

use std::time::Duration;

use proto::control::{BuildStatus, Span, Status};
use proto::figures::{build_table, bytes, duration, hit_rate, number, packages, percent, saved, seconds, verification};
use proto::profile::{BuildProfile, Package};
use serde::Serialize;

use crate::clock;
use crate::context::Context;
use crate::control::status::public_status;
use crate::limits::{PAGE_BUILDS, PAGE_DIFFERENCES, PAGE_PACKAGES, PAGE_ROWS};
use crate::telemetry::build_profile::refresh::Requester;
use crate::telemetry::time_series::{Step, TimeSeries};

/// What the page may load: itself.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The file, and the text in it that is replaced by the data.
const FILE: &str = include_str!("page.html");
const DATA: &str = "@DATA@";

#[derive(Debug, Serialize)]
struct Data {
    now: u64,
    about: String,
    /// What is wrong, each in a sentence.
    trouble: Vec<String>,
    /// A figure, and what it is.
    numbers: Vec<[String; 2]>,
    size: Vec<Point>,
    served: Vec<Point>,
    saved: Vec<Point>,
    today: Vec<Today>,
    /// As [`build_table`] has them.
    head: Vec<&'static str>,
    builds: Vec<Vec<String>>,
}

/// A time in seconds since 1970, the height at which it is drawn, and the value as text.
type Point = (u64, f64, String);

/// A build, and what it compiled.
#[derive(Debug, Serialize)]
struct Today {
    started: u64,
    name: String,
    wall_ms: u64,
    text: String,
    compiled: Vec<Compiled>,
}

#[derive(Debug, Serialize)]
struct Compiled {
    path: String,
    /// When it was missed, in milliseconds since the build's registration, and its compile time.
    at: u32,
    compile_ms: u32,
    text: String,
}

/// The page as it is now.
pub(crate) fn page(context: &Context) -> String {
    let now = clock::unix(clock::now());
    let status = public_status(context);
    let series = context.usage.series();
    let is_of_today = |build: &&BuildStatus| build.started.max(build.ended) > now.saturating_sub(86_400);
    let has_asked = |build: &&BuildStatus| build.counts.gets + build.counts.puts > 0;
    let today = status.builds.all().filter(is_of_today).filter(has_asked).take(PAGE_BUILDS);
    let TimeSeries { steps: [minutes, hours, days] } = &series;
    let (head, builds) = build_table(&status.builds.all().take(PAGE_ROWS).cloned().collect::<Vec<_>>(), now);
    let data = Data {
        now,
        about: about(&status),
        trouble: trouble(&status),
        numbers: numbers(&status),
        size: points(if hours.len() > 24 { hours } else { minutes }, |step| (step.bytes, bytes(step.bytes))),
        served: points(days.iter().filter(|step| step.counts.packages_needed > 0), served),
        saved: points(days, |step| (step.counts.saved_milliseconds, saved(&step.counts))),
        today: today.map(|build| of_today(context, build)).collect(),
        head,
        builds,
    };
    // Serialising plain data into memory cannot fail.
    let json = serde_json::to_string(&data).unwrap_or_default();
    FILE.replace(DATA, &escaped(&json))
}

fn about(status: &Status) -> String {
    let (up, live) = (seconds(status.uptime_seconds), status.builds.live.len());
    format!("cacheprogd {}, up {up}; {live} live builds", status.daemon)
}

/// What cannot be stored, and the latest differences between outputs.
fn trouble(status: &Status) -> Vec<String> {
    let storing = status.trouble.as_ref().map(|trouble| format!("Puts cannot be stored: {}", trouble.latest));
    let differences = status.verification.differences.iter().take(PAGE_DIFFERENCES);
    storing.into_iter().chain(differences.map(|difference| format!("Outputs differ: {difference}"))).collect()
}

fn numbers(status: &Status) -> Vec<[String; 2]> {
    let of = status.max_bytes.map_or_else(|| "on the disk".to_owned(), |most| format!("of at most {}", bytes(most)));
    let mut all = vec![[bytes(status.bytes), of], [number(status.entries), "entries".to_owned()]];
    let usage = &status.usage;
    for (span, when) in
        [(&usage.hour, "in the last hour"), (&usage.day, "in the last day"), (&usage.month, "in 30 days")]
    {
        let Span { counts, .. } = span;
        all.push([
            format!("{} of {}", number(counts.packages_compiled), number(counts.packages_needed)),
            format!(
                "packages compiled {when}; {} of shareable requests hit, {} saved",
                hit_rate(counts),
                saved(counts)
            ),
        ]);
    }
    let verification = verification(&status.verification);
    if !verification.is_empty() {
        all.push([verification, "shadow verification".to_owned()]);
    }
    all
}

fn points<'a>(steps: impl IntoIterator<Item = &'a Step>, of: impl Fn(&Step) -> (u64, String)) -> Vec<Point> {
    let point = |step: &Step| {
        let (value, text) = of(step);
        (step.at, value as f64, text) // only drawn
    };
    steps.into_iter().map(point).collect()
}

/// How many of the packages came from the cache, in percent.
fn served(step: &Step) -> (u64, String) {
    let needed = step.counts.packages_needed;
    let served = needed.saturating_sub(step.counts.packages_compiled);
    (served.saturating_mul(100) / needed.max(1), percent(served, needed))
}

fn of_today(context: &Context, build: &BuildStatus) -> Today {
    let counts = &build.counts;
    let wall_time = duration(Duration::from_millis(build.wall_milliseconds));
    Today {
        started: build.started,
        name: build.name.clone(),
        wall_ms: build.wall_milliseconds,
        text: format!("{}, {wall_time}", packages(counts.packages_compiled, counts.packages_needed)),
        compiled: compiled(context, build),
    }
}

/// JSON that ends no script element, whatever names are in it.
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// The slowest of what a build compiled, in the order in which it did.
fn compiled(context: &Context, build: &BuildStatus) -> Vec<Compiled> {
    let file = context.registry.open_profile(&build.short, Requester::Anyone).ok();
    let profile = file.and_then(BuildProfile::read).unwrap_or_default();
    let mut missed: Vec<Package> = profile.packages.into_iter().filter(|p| p.action.get.is_miss()).collect();
    missed.sort_by_key(|package| std::cmp::Reverse(package.action.cost_ms));
    missed.truncate(PAGE_PACKAGES);
    missed.sort_by_key(|package| package.action.at_ms);
    let of = |Package { path, action, .. }| Compiled {
        path,
        at: action.at_ms,
        compile_ms: action.cost_ms,
        text: duration(Duration::from_millis(action.cost_ms.into())),
    };
    missed.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rust rounds, for the page and for the command line.
    #[test]
    fn the_page_rounds_no_figure() {
        for rounding in ["Math.round", "Math.floor", "toFixed", "toPrecision", "toLocaleString", "%'"] {
            assert!(!FILE.contains(rounding), "{rounding}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_no_name_ends_its_data() {
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!FILE.contains(outside), "{outside}");
        }
        assert_eq!(FILE.matches(DATA).count(), 1);
        let json = escaped(&serde_json::to_string("</script><script>x\u{2028}").unwrap());
        assert!(!json.contains('<') && !json.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><script>x\u{2028}");
    }
}
