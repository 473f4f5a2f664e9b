//! `cacheprogctl doctor`: checks that a machine has what a cached build needs, and gives a fix for each problem.
//!
//! facts.rs looks at the machine and program.rs runs its programs, checks.rs judges (pure), daemon.rs its part of the daemon and its sockets, installation.rs finds that there is nothing to judge, `changing_variables.rs`
//! judges what the latest builds missed and trust.rs for whom their entries are (both pure). What the daemon's status tells is judged in
//! proto (`finding::of_status`), for doctor and page alike.

mod changing_variables;
mod checks;
mod daemon;
mod facts;
mod installation;
mod program;
mod trust;

use proto::finding::{Finding, Level};
use serde::Serialize;

use self::facts::Sources;
use crate::error::CommandError;
use crate::terminal::{Style, Tone, print, print_json, stdout_style};

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: Sources,
    /// Print the findings as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Answer {
    findings: Vec<Finding>,
}

/// Checks and prints.
///
/// # Errors
/// Where something is bad.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let findings = checks::all(&facts::gather(&args.sources));
    let bad = findings.iter().filter(|finding| finding.level == Level::Bad).count();
    if args.json {
        print_json(&Answer { findings })?;
    } else {
        print(&text(&findings, stdout_style()))?;
    }
    if bad == 0 { Ok(()) } else { Err(CommandError::BadFindings { bad }) }
}

fn text(findings: &[Finding], style: Style) -> String {
    let mut text = String::new();
    for Finding { what, level, found, fix } in findings {
        let (word, tone) = match level {
            Level::Good => ("good", Tone::Good),
            Level::Warn => ("warn", Tone::Warn),
            Level::Bad => ("bad ", Tone::Bad),
        };
        text += &format!("{} {what}: {found}\n", style.paint(tone, word));
        if !fix.is_empty() {
            text += &format!("       fix: {fix}\n");
        }
    }
    text
}
