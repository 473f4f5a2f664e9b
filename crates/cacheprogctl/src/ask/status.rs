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

/// Both as one JSON object, with what of them is there.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    status: Option<&'a Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modproxy: Option<&'a ModproxyStatus>,
}

/// Asks and prints.
///
/// # Errors
/// Where no daemon answers. What the module proxy answers is printed before; where that is all that is installed, it is no error.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    // The daemon first: it is what most have.
    let answer = connection::status(&args.sockets);
    let modproxy = modproxy::find();
    match (answer, modproxy) {
        (Ok(status), modproxy) => print_whole(args.json, Some(&status), modproxy.as_ref()),
        (Err(e), None) => Err(e),
        (Err(e), modproxy) => {
            print_whole(args.json, None, modproxy.as_ref())?;
            if e.is_not_installed() { Ok(()) } else { Err(e) }
        }
    }
}

fn print_whole(json: bool, status: Option<&Status>, modproxy: Option<&ModproxyStatus>) -> Result<(), CommandError> {
    if json {
        return print_json(&Whole { status, modproxy });
    }
    let of_daemon = status.map(|status| report::status(status, clock::unix_now(), stdout_style()));
    let texts: Vec<_> = of_daemon.into_iter().chain(modproxy.map(ModproxyStatus::text)).collect();
    print(&texts.join("\n"))
}
