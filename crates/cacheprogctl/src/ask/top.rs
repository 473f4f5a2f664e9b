//! `cacheprogctl top`: the live builds, shown every second.

use std::io::IsTerminal;
use std::thread;
use std::time::Duration;

use proto::control::{BuildStatus, Builds};
use proto::figures::{bytes, hit_rate, percent, saved, seconds};

use super::connection::{self, Sockets};
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{Style, Table, Tone, print, stdout_style};

/// The bar of a build's progress, in letters.
const WIDTH: u64 = 20;

/// How to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Show the builds once. This is the default where the output is no terminal.
    #[arg(long)]
    once: bool,
    /// Seconds between updates.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    #[command(flatten)]
    sockets: Sockets,
}

/// Asks and prints until the user interrupts it.
///
/// # Errors
/// Where no daemon answers.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let once = args.once || !std::io::stdout().is_terminal();
    loop {
        let builds = connection::builds(&args.sockets)?;
        let text = text(&builds, clock::unix_now(), stdout_style());
        if once {
            return print(&text);
        }
        // From the top left corner on, over what was there.
        print(&format!("\x1b[H\x1b[2J{text}"))?;
        thread::sleep(Duration::from_secs(args.every));
    }
}

fn text(builds: &Builds, now: u64, style: Style) -> String {
    let sessions: u64 = builds.live.iter().map(|build| build.sessions).sum();
    let title = format!("{} live builds, {sessions} go commands", builds.live.len());
    let mut table =
        Table::new(&["id", "name", "elapsed", "go", "compiled", "needed", "hit rate", "served", "saved", "progress"]);
    for build in &builds.live {
        let counts = &build.counts;
        table.row([
            build.short.clone(),
            build.name.clone(),
            seconds(now.saturating_sub(build.started)),
            build.sessions.to_string(),
            counts.packages_compiled.to_string(),
            counts.packages_needed.to_string(),
            hit_rate(counts),
            bytes(counts.bytes_served),
            saved(counts),
            progress(build, &builds.ended),
        ]);
    }
    let rows = if builds.live.is_empty() { String::new() } else { table.text(style) };
    format!("{}\n{rows}", style.paint(Tone::Head, &title))
}

/// The build's gets as a share of those of the last build of its name.
fn progress(build: &BuildStatus, ended: &[BuildStatus]) -> String {
    let name = miss_causes::without_version(&build.name);
    let last = ended.iter().find(|last| miss_causes::without_version(&last.name) == name && last.counts.gets > 0);
    let Some(last) = last else { return String::new() };
    let done = build.counts.gets.min(last.counts.gets);
    let bar: String =
        (0..WIDTH).map(|n| if n < done.saturating_mul(WIDTH) / last.counts.gets { '#' } else { '.' }).collect();
    format!("{bar} {}", percent(done, last.counts.gets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_as_far_as_the_last_one_of_its_name_went() {
        let build = |name: &str, gets| {
            let mut build = BuildStatus { name: name.into(), ..BuildStatus::default() };
            build.counts.gets = gets;
            build
        };
        let ended = [build("caddy-2.9", 200), build("hugo-1", 7)];
        assert_eq!(progress(&build("caddy-2.10", 50), &ended), "#####............... 25 %");
        assert_eq!(progress(&build("caddy-2.10", 999), &ended), format!("{} 100 %", "#".repeat(20)));
        assert_eq!(progress(&build("new-1", 5), &ended), "");
    }
}
