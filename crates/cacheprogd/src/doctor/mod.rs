//! `cacheprogd doctor`: is all in place that a cached build needs, and if not, what mends it.
//!
//! facts.rs looks, `nix_conf.rs` reads nix.conf (pure), checks.rs judges (pure).

mod checks;
mod facts;
mod nix_conf;

use std::path::PathBuf;

use serde::Serialize;

use crate::client::{self, Sockets};
use crate::error::CommandError;
use crate::screen;
use crate::state::StateDir;
use crate::table::{Look, Tone};

/// Where things are, if not in the usual places.
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    /// Nix's configuration.
    #[arg(long, value_name = "FILE", default_value = "/etc/nix/nix.conf")]
    nix_conf: PathBuf,
    /// The daemon's settings. [default: /etc/nix-gocacheprog.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CONFIG")]
    config: Option<PathBuf>,
    /// The client that builds get. [default: the one beside this program]
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CLIENT")]
    client: Option<PathBuf>,
    /// The findings as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sockets: Sockets,
    #[command(flatten)]
    store: StateDir,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Level {
    /// As it should be.
    Good,
    /// It works, and not as well as it could; or it could not be looked at.
    Poor,
    /// Builds get nothing from the cache, or it is not safe.
    Bad,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) level: Level,
    pub(crate) found: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) mend: String,
}

#[derive(Debug, Serialize)]
struct Answer {
    findings: Vec<Finding>,
}

/// Looks and prints.
///
/// # Errors
/// Where something is bad.
pub(crate) fn run(args: &Doctor) -> Result<(), CommandError> {
    let findings = checks::all(&facts::gather(args));
    let bad = findings.iter().filter(|finding| finding.level == Level::Bad).count();
    if args.json {
        client::print_json(&Answer { findings })?;
    } else {
        client::print(&text(&findings, screen::look()))?;
    }
    if bad == 0 { Ok(()) } else { Err(CommandError::Unwell { bad }) }
}

fn text(findings: &[Finding], look: Look) -> String {
    let mut text = String::new();
    for Finding { what, level, found, mend } in findings {
        let (word, tone) = match level {
            Level::Good => ("good", Tone::Good),
            Level::Poor => ("poor", Tone::Poor),
            Level::Bad => ("BAD ", Tone::Bad),
        };
        text += &format!("{} {what}: {found}\n", look.paint(tone, word));
        if !mend.is_empty() {
            text += &format!("       {mend}\n");
        }
    }
    text
}
