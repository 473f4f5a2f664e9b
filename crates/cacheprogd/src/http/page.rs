//! The page: one HTML file with its data in it, and nothing that comes from elsewhere. All figures are put into words here, by the
//! functions that the command line uses; the script in the file draws and rounds nothing.

use std::time::Duration;

use proto::control::{BuildStatus, Span, Status};
use proto::figures::{BUILD_COLUMNS, build_row, bytes, duration, hit_rate, number, packages, percent, saved, seconds};
use proto::profile::{BuildProfile, Package};
use serde::Serialize;

use crate::account::Asker;
use crate::clock;
use crate::control::{Context, for_everyone_status};
use crate::usage::{Series, Step};

/// What the page may load: itself.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Builds of today that are shown with their packages, and packages of each: the slowest. Builds in the table.
const MOST_BUILDS: usize = 20;
const MOST_PACKAGES: usize = 120;
const MOST_ROWS: usize = 30;

/// The file, and the words in it that stand for the data.
const FILE: &str = include_str!("page.html");
const DATA: &str = "@DATA@";

#[derive(Debug, Serialize)]
struct Data {
    now: u64,
    about: String,
    trouble: Option<String>,
    /// A figure, and what it is.
    numbers: Vec<[String; 2]>,
    size: Vec<Point>,
    served: Vec<Point>,
    saved: Vec<Point>,
    today: Vec<Today>,
    /// What [`build_row`] says of the builds, under its head.
    head: [&'static str; BUILD_COLUMNS.len()],
    builds: Vec<[String; BUILD_COLUMNS.len()]>,
}

/// A time, in seconds since 1970, how high it is drawn, and in words.
type Point = (u64, f64, String);

/// A build, and what it compiled.
#[derive(Debug, Serialize)]
struct Today {
    started: u64,
    name: String,
    took: u64,
    text: String,
    compiled: Vec<Compiled>,
}

#[derive(Debug, Serialize)]
struct Compiled {
    path: String,
    /// When it was missed, in milliseconds since the build's beginning, and how long it took.
    at: u32,
    took: u32,
    text: String,
}

/// The page as it is now.
pub(crate) fn page(context: &Context) -> String {
    let now = clock::unix(clock::now());
    let status = for_everyone_status(context);
    let series = context.meter.series();
    let all = || status.builds.live.iter().chain(&status.builds.ended);
    let is_of_today = |build: &&BuildStatus| build.started.max(build.ended) > now.saturating_sub(86_400);
    let has_asked = |build: &&BuildStatus| build.counts.gets + build.counts.puts > 0;
    let today = all().filter(is_of_today).filter(has_asked).take(MOST_BUILDS);
    let Series { steps: [fives, hours, days] } = &series;
    let data = Data {
        now,
        about: about(&status),
        trouble: status.trouble.as_ref().map(|trouble| format!("Puts cannot be stored: {}", trouble.latest)),
        numbers: numbers(&status),
        size: points(if hours.len() > 24 { hours } else { fives }, |step| (step.bytes, bytes(step.bytes))),
        served: points(days.iter().filter(|step| step.counts.packages_needed > 0), served),
        saved: points(days, |step| (step.counts.saved_milliseconds, saved(&step.counts))),
        today: today.map(|build| of_today(context, build)).collect(),
        head: BUILD_COLUMNS,
        builds: all().take(MOST_ROWS).map(|build| build_row(build, now)).collect(),
    };
    // Serialising plain data into memory cannot fail.
    let json = serde_json::to_string(&data).unwrap_or_default();
    FILE.replace(DATA, &harmless(&json))
}

fn about(status: &Status) -> String {
    let (up, live) = (seconds(status.uptime_seconds), status.builds.live.len());
    format!("cacheprogd {}, up {up}; {live} live builds", status.daemon)
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
    all
}

fn points<'a>(steps: impl IntoIterator<Item = &'a Step>, of: impl Fn(&Step) -> (u64, String)) -> Vec<Point> {
    let point = |step: &Step| {
        let (value, text) = of(step);
        (step.at, value as f64, text) // only drawn
    };
    steps.into_iter().map(point).collect()
}

/// How many of the packages did not have to be compiled, in percent.
fn served(step: &Step) -> (u64, String) {
    let needed = step.counts.packages_needed;
    let served = needed.saturating_sub(step.counts.packages_compiled);
    (served.saturating_mul(100) / needed.max(1), percent(served, needed))
}

fn of_today(context: &Context, build: &BuildStatus) -> Today {
    let counts = &build.counts;
    let took = duration(Duration::from_millis(build.wall_milliseconds));
    Today {
        started: build.started,
        name: build.name.clone(),
        took: build.wall_milliseconds,
        text: format!("{}, {took}", packages(counts.packages_compiled, counts.packages_needed)),
        compiled: compiled(context, build),
    }
}

/// JSON that ends no script element, whatever names are in it.
fn harmless(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// The slowest of what a build compiled, in the order in which it did.
fn compiled(context: &Context, build: &BuildStatus) -> Vec<Compiled> {
    let account =
        context.registry.account(&build.short, Asker::Anyone).ok().and_then(BuildProfile::read).unwrap_or_default();
    let mut missed: Vec<Package> = account.packages.into_iter().filter(|p| p.action.get.is_miss()).collect();
    missed.sort_by_key(|package| std::cmp::Reverse(package.action.cost_ms));
    missed.truncate(MOST_PACKAGES);
    missed.sort_by_key(|package| package.action.at_ms);
    let of = |Package { path, action, .. }| Compiled {
        path,
        at: action.at_ms,
        took: action.cost_ms,
        text: duration(Duration::from_millis(action.cost_ms.into())),
    };
    missed.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What rounds is Rust, for the page and the command line alike.
    #[test]
    fn the_page_rounds_no_figure() {
        for rounding in ["Math.round", "Math.floor", "toFixed", "toPrecision", "toLocaleString", "%'"] {
            assert!(!FILE.contains(rounding), "{rounding}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_no_name_gets_out_of_its_data() {
        for outside in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!FILE.contains(outside), "{outside}");
        }
        assert_eq!(FILE.matches(DATA).count(), 1);
        let json = harmless(&serde_json::to_string("</script><script>x\u{2028}").unwrap());
        assert!(!json.contains('<') && !json.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><script>x\u{2028}");
    }
}
