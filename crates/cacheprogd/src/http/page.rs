//! The page: one HTML file with its style, its script and its data in it, which loads nothing from elsewhere.
//!
//! All figures are rounded and worded here, by the functions that the command line uses (proto: figures.rs); the script only draws.
//! page/build.rs has what is shown of one build, and page/forms.rs tells forms of a package apart; page/causes.rs sums misses by cause,
//! page/bars.rs has rows with bars, page/charts.rs the steps of the charts; what the daemon finds of itself is proto's (`finding::of_status`).

mod bars;
mod build;
mod causes;
mod charts;
mod forms;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use proto::control::{BuildStatus, Eviction, Status};
use proto::figures::{build_table, bytes, number, seconds};
use proto::finding::{Finding, free_space, of_status};
use proto::wire::VERSION;
use serde::Serialize;
use store::{Disk, FORMAT};

use self::bars::{Bar, Given};
use self::build::{PageBuild, PageBuilds};
use self::charts::Chart;
use crate::clock;
use crate::context::Context;
use crate::control::status::public_status;
use crate::limits::{PAGE_BUILDS, PAGE_CAUSES, PAGE_LIVE, PAGE_ROWS, PAGE_SLOWEST, PAGE_TOOLCHAINS};

/// What the page may load: itself.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The file, and the texts in it that are replaced.
const FILE: &str = include_str!("page/page.html");
const STYLE: (&str, &str) = ("@STYLE@", include_str!("page/page.css"));
const SCRIPT: (&str, &str) = ("@SCRIPT@", include_str!("page/page.js"));
const DATA: &str = "@DATA@";

#[derive(Debug, Serialize)]
struct Data<'a> {
    now: u64,
    about: String,
    /// No build has used the cache yet.
    is_empty: bool,
    findings: Vec<Finding>,
    spans: [Given; 3],
    live: Vec<Bar>,
    #[serde(flatten)]
    chart: Chart,
    today: &'a [PageBuild],
    causes: Vec<Bar>,
    slowest: Table,
    builds: Table,
    storage: Vec<Bar>,
    eviction: Option<Evicted>,
    /// A thing, and its version.
    versions: Vec<[String; 2]>,
}

/// `#` in the head marks a column that is aligned to the right.
#[derive(Debug, Serialize)]
struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

/// The last eviction.
#[derive(Debug, Serialize)]
struct Evicted {
    /// When it ended, in seconds since 1970.
    at: u64,
    text: String,
}

/// What is kept from one page to the next.
#[derive(Debug, Default)]
pub(crate) struct Kept(PageBuilds);

/// The page as it is now.
pub(crate) fn page(context: &Context, kept: &mut Kept) -> String {
    let now = clock::unix(clock::now());
    let status = public_status(context);
    let all: Vec<_> = status.builds.all().cloned().collect();
    let is_of_today = |build: &&BuildStatus| build.started.max(build.ended) > now.saturating_sub(86_400);
    let shown: Vec<_> = all.iter().filter(is_of_today).filter(|build| has_asked(build)).take(PAGE_BUILDS).collect();
    let today = kept.0.update(context, &shown, &all);
    let causes = causes::by_cause(today.iter().flat_map(PageBuild::causes).cloned());
    let (head, rows) = build_table(&all[..all.len().min(PAGE_ROWS)], now);
    let disk_size = Disk::of(context.store.root()).map_or(0, |disk| disk.size);
    let data = Data {
        now,
        about: format!("cacheprogd {}, up {}", status.daemon, seconds(status.uptime_seconds)),
        is_empty: status.entries == 0 && !all.iter().any(has_asked),
        findings: [free_space(status.free_bytes, status.min_free_bytes)]
            .into_iter()
            .chain(of_status(&status, now))
            .collect(),
        spans: bars::given(&status.usage),
        live: bars::live(&status.builds, now, PAGE_LIVE),
        chart: charts::chart(&context.usage.series(), now),
        today,
        causes: bars::causes(&causes, PAGE_CAUSES),
        slowest: slowest(today),
        builds: Table { head, rows },
        storage: bars::storage(&status, disk_size),
        eviction: status.eviction.as_ref().map(evicted),
        versions: versions(&status, today),
    };
    // Serialising plain data into memory cannot fail.
    let json = serde_json::to_string(&data).unwrap_or_default();
    let file = FILE.replace(STYLE.0, STYLE.1).replace(SCRIPT.0, SCRIPT.1);
    file.replace(DATA, &escaped(&json))
}

fn has_asked(build: &BuildStatus) -> bool {
    build.counts.gets + build.counts.puts > 0
}

/// JSON that ends no script element, whatever names are in it.
fn escaped(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// The packages that took longest.
fn slowest(builds: &[PageBuild]) -> Table {
    let mut all: Vec<_> =
        builds.iter().flat_map(|build| build.compiled().iter().map(move |one| (one, build))).collect();
    all.sort_by_key(|(one, _)| Reverse(one.compile_ms));
    let row = |(one, build): (&build::Compiled, &PageBuild)| {
        let form = if one.form.is_empty() { String::new() } else { format!(" ({})", one.form) };
        vec![one.path.clone() + &form, build.name().to_owned(), one.cause.to_owned(), one.text.clone()]
    };
    Table {
        head: vec!["package", "build", "cause", "#compile time"],
        rows: all.into_iter().take(PAGE_SLOWEST).map(row).collect(),
    }
}

fn evicted(eviction: &Eviction) -> Evicted {
    Evicted { at: eviction.at, text: format!("{} entries, {}", number(eviction.entries), bytes(eviction.bytes)) }
}

/// What works together: clients and hooks of another protocol go on without the daemon.
fn versions(status: &Status, builds: &[PageBuild]) -> Vec<[String; 2]> {
    let toolchains: BTreeSet<_> = builds.iter().flat_map(PageBuild::toolchains).map(String::as_str).collect();
    let named = toolchains.into_iter().take(PAGE_TOOLCHAINS).collect::<Vec<_>>().join(", ");
    let named = if named.is_empty() { "none was used".to_owned() } else { named };
    [
        ("cacheprogd", status.daemon.clone()),
        ("protocol of client and hook", VERSION.to_string()),
        ("format of the cache", FORMAT.trim().to_owned()),
        ("Go in the last day", named),
    ]
    .map(|(name, version)| [name.to_owned(), version])
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rust rounds, for the page and for the command line.
    #[test]
    fn the_page_rounds_no_figure() {
        for rounding in ["Math.round", "Math.floor", "toFixed", "toPrecision", "toLocaleString", "%'"] {
            assert!(!FILE.contains(rounding) && !SCRIPT.1.contains(rounding), "{rounding}");
        }
    }

    #[test]
    fn the_page_loads_nothing_and_no_name_ends_its_data() {
        for text in [FILE, STYLE.1, SCRIPT.1] {
            for outside in ["http://", "https://", "src=", "@import", "url(", "innerHTML"] {
                assert!(!text.contains(outside), "{outside}");
            }
        }
        for replaced in [STYLE.0, SCRIPT.0, DATA] {
            assert_eq!(FILE.matches(replaced).count(), 1);
            assert!(!STYLE.1.contains(replaced) && !SCRIPT.1.contains(replaced));
        }
        assert!(!STYLE.1.contains("</") && !SCRIPT.1.contains("</"));
        let json = escaped(&serde_json::to_string("</script><script>x\u{2028}").unwrap());
        assert!(!json.contains('<') && !json.contains('\u{2028}'));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "</script><script>x\u{2028}");
    }
}
