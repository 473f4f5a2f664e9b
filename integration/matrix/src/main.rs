//! The fault matrix: real go commands, of several versions, while the cache fails in every way that is thought of.
//!
//!     matrix --bin DIR [--full] [--go VERSION=GO]... [ROW...]
//!     matrix --bin DIR --soak SECONDS
//!     matrix --odd MANNER DIR
//!
//! Each cell runs one go command on a cache that is three quarters warm, makes one fault happen at its start, in its middle or near its end,
//! and compares exit status, output and time with the same command without any cache. Needs root, and a mount namespace of
//! its own with an empty directory /gocache (integration/cases/fault-matrix.sh sees to both). Prints a line a cell.
//!
//! Where things are: cell.rs runs one cell, fault.rs the rows, world.rs the daemon and its
//! directory, go.rs the commands, program.rs what they build; soak.rs is the soak, player.rs what speaks to its clients; odd.rs
//! is a bad cache program.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test harness: it plays the vandal"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its report")]

#[macro_use]
mod named;

mod cell;
mod fault;
mod go;
mod odd;
mod player;
mod program;
mod soak;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cell::{Moment, Outcome, Template};
use fault::Fault;
use go::{Action, Go};
use odd::Manner;

/// What was asked for.
#[derive(Debug, Default)]
pub struct Args {
    /// The programs under test.
    bin: PathBuf,
    /// All rows at all moments for the dialects, else a few cells.
    full: bool,
    /// Go versions with their commands.
    go: Vec<(String, PathBuf)>,
    /// A soak of so many seconds in place of the matrix.
    soak: Option<u64>,
    /// A bad cache program in place of the matrix, with its directory.
    odd: Option<(Manner, PathBuf)>,
    /// Rows to run; all if empty.
    rows: Vec<String>,
}

fn parse() -> Result<Args, String> {
    let (mut args, mut given) = (Args::default(), std::env::args().skip(1));
    while let Some(arg) = given.next() {
        let mut value = || given.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--bin" => args.bin = value()?.into(),
            "--full" => args.full = true,
            "--soak" => args.soak = Some(value()?.parse().map_err(|e| format!("--soak takes seconds: {e}"))?),
            "--odd" => {
                let name = value()?;
                let manner = Manner::ALL.into_iter().find(|manner| manner.name() == name);
                let manner = manner.ok_or(format!("manners: {:?}", Manner::ALL.map(Manner::name)))?;
                args.odd = Some((manner, value()?.into()));
            }
            "--go" => {
                let pair = value()?;
                let (version, go) = pair.split_once('=').ok_or("--go takes VERSION=GO")?;
                args.go.push((version.to_owned(), go.into()));
            }
            row if Fault::ALL.iter().any(|fault| fault.name() == row) => args.rows.push(row.to_owned()),
            other => return Err(format!("unknown row or flag {other:?}; rows: {:?}", Fault::ALL.map(Fault::name))),
        }
    }
    Ok(args)
}

/// The cells of a version: every moment for one version of each dialect, the middle for the others; without `--full` the
/// middle of one command a row, another one for each row.
fn cells(args: &Args, version: &str) -> Vec<(Fault, Action, Moment)> {
    let dialect = ["1.21", "1.24", "1.27"].iter().any(|dialect| version.starts_with(dialect));
    let mut cells = Vec::new();
    for (n, fault) in Fault::ALL.into_iter().enumerate() {
        for (m, action) in Action::ALL.into_iter().enumerate() {
            for moment in Moment::ALL {
                let wanted = match (args.full, dialect) {
                    (true, true) => true,
                    (true, false) => moment == Moment::Middle,
                    (false, _) => moment == Moment::Middle && n % Action::ALL.len() == m,
                };
                // What is there before the command has one moment.
                let wanted = wanted && (moment == Moment::Middle || !fault.is_before());
                let chosen = args.rows.is_empty() || args.rows.iter().any(|row| row == fault.name());
                if wanted && chosen {
                    cells.push((fault, action, moment));
                }
            }
        }
    }
    cells
}

fn main() -> ExitCode {
    let done = parse().and_then(|args| match (&args.odd, args.soak) {
        (Some((manner, dir)), _) => odd::run(*manner, dir).map_err(|e| e.to_string()),
        (None, Some(seconds)) => {
            soak::run(&args.bin, Duration::from_secs(seconds)).map(|seen| println!("summary: {seen}"))
        }
        (None, None) => matrix(&args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("matrix: {error}");
            ExitCode::FAILURE
        }
    }
}

fn matrix(args: &Args) -> Result<(), String> {
    let program = tempfile::tempdir().map_err(|e| e.to_string())?;
    program::write(program.path());
    let (mut passed, mut failed) = (0, 0);
    for (version, command) in &args.go {
        let go = Go::new(command, program.path());
        let template = Template::make(&args.bin, &go);
        for (fault, action, moment) in cells(args, version) {
            let Outcome { complaint, told } = cell::run(&args.bin, (&go, &template), fault, action, moment);
            let cell = format!("go {version:<8} {:<20} {:<6} {:<5}", fault.name(), action.name(), moment.name());
            match complaint {
                None => {
                    passed += 1;
                    println!("ok     {cell} {told}");
                }
                Some(complaint) => {
                    failed += 1;
                    println!("FAILED {cell} {told}\n       {complaint}");
                }
            }
        }
    }
    println!("summary: {passed} cells as without a cache, {failed} not");
    if failed == 0 && passed > 0 { Ok(()) } else { Err(format!("{failed} of {} cells", passed + failed)) }
}
