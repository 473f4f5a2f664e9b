//! The page: one HTML file with its data in it, and nothing that comes from elsewhere.

use serde::Serialize;

use crate::account::{self, Came, Package};
use crate::clock;
use crate::control::{Context, for_everyone_status};
use crate::usage::Series;
use proto::control::{BuildStatus, Status};

/// What the page may load: itself.
pub(crate) const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// Builds of today that are shown with their packages, and packages of each: the slowest.
const MOST_BUILDS: usize = 20;
const MOST_PACKAGES: usize = 120;

/// The file, and the words in it that stand for the data.
const FILE: &str = include_str!("page.html");
const DATA: &str = "@DATA@";

#[derive(Debug, Serialize)]
struct Data {
    now: u64,
    status: Status,
    series: Series,
    today: Vec<Today>,
}

/// A build, and what it compiled.
#[derive(Debug, Serialize)]
struct Today {
    build: BuildStatus,
    compiled: Vec<Compiled>,
}

#[derive(Debug, Serialize)]
struct Compiled {
    path: String,
    /// When it was missed, in milliseconds since the build's beginning, and how long it took.
    at: u32,
    took: u32,
}

/// The page as it is now.
pub(crate) fn page(context: &Context) -> String {
    let now = clock::unix(clock::now());
    let status = for_everyone_status(context);
    let is_of_today = |build: &&BuildStatus| build.started.max(build.ended) > now.saturating_sub(86_400);
    let builds = status.builds.live.iter().chain(&status.builds.ended).filter(is_of_today);
    let builds = builds.filter(|build| build.counts.gets + build.counts.puts > 0);
    let today =
        builds.take(MOST_BUILDS).map(|build| Today { build: build.clone(), compiled: compiled(context, build) });
    let data = Data { now, today: today.collect(), series: context.meter.series(), status };
    // Serialising plain data into memory cannot fail.
    let json = serde_json::to_string(&data).unwrap_or_default();
    FILE.replace(DATA, &harmless(&json))
}

/// JSON that ends no script element, whatever names are in it.
fn harmless(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// The slowest of what a build compiled, in the order in which it did.
fn compiled(context: &Context, build: &BuildStatus) -> Vec<Compiled> {
    let account = context.registry.account(&build.short).ok().and_then(account::read).unwrap_or_default();
    let mut missed: Vec<Package> = account.packages.into_iter().filter(|p| p.action.came == Came::Miss).collect();
    missed.sort_by_key(|package| std::cmp::Reverse(package.action.cost_ms));
    missed.truncate(MOST_PACKAGES);
    missed.sort_by_key(|package| package.action.at_ms);
    let of = |Package { path, action, .. }| Compiled { path, at: action.at_ms, took: action.cost_ms };
    missed.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
