//! `cacheprogctl status`: what the daemon has and does, and the module proxy where one runs as a service.

use proto::control::Status;
use serde::Serialize;

use super::connection::{self, Sockets};
use super::modproxy::{self, ModproxyStatus};
use super::report;
use crate::clock;
use crate::error::CommandError;
use crate::terminal::{print, print_json, stdout_style};

/// Of which daemon, and in which form.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) own: settings::OwnStore,
    /// Print the whole status as one JSON object (docs/reference/cli.md has the schema).
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    sockets: Sockets,
}

/// Both as one JSON object.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    status: &'a Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    modproxy: Option<ModproxyStatus>,
}

/// Asks and prints.
///
/// # Errors
/// Where no daemon answers. What the module proxy answers is printed before.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let modproxy = modproxy::find();
    let of_proxy = modproxy.as_ref().map(ModproxyStatus::text).unwrap_or_default();
    match connection::status(&args.sockets) {
        Ok(status) if args.json => print_json(&Whole { status: &status, modproxy }),
        Ok(status) => print(&(report::status(&status, clock::unix_now(), stdout_style()) + &separated(&of_proxy))),
        Err(e) => {
            if !args.json {
                print(&of_proxy)?;
            }
            Err(e)
        }
    }
}

/// With an empty line before it.
fn separated(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\n{text}") }
}
