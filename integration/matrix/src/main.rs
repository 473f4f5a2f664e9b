//! The fault matrix: real go commands, of several versions, while the cache fails in many ways.
//!
//!     matrix --bin DIR [--full] [--go VERSION=GO]... [ROW...]
//!     matrix --bin DIR --soak SECONDS
//!     matrix --misbehave KIND DIR
//!
//! Each cell runs one go command on a cache with most of its entries, injects one fault at its start, in its middle or
//! near its end, and compares exit status, output and time with the same command without a cache. It needs root, and a mount
//! namespace of its own with an empty directory /gocache (integration/cases/fault-matrix.sh). It prints a line for each cell.
//!
//! Where things are: cell.rs runs one cell, fault.rs has the rows, fixture.rs the daemon and its directory, `go_command.rs` the
//! commands, `many_packages.rs` what they build; soak.rs is the soak test, `fake_go.rs` drives its clients;
//! `misbehaving_cacheprog.rs` is a cache program that breaks the rules.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    unreachable_pub,
    reason = "a test harness that does damage on purpose"
)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its report")]

#[macro_use]
mod named_enum;

mod cell;
mod fake_go;
mod fault;
mod fixture;
mod go_command;
mod many_packages;
mod misbehaving_cacheprog;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use cell::{Moment, Outcome, Template};
use fault::Fault;
use go_command::{Go, GoCommand};
use misbehaving_cacheprog::Misbehavior;

/// The command line.
#[derive(Debug, Default)]
pub struct Args {
    /// The programs under test.
    bin: PathBuf,
    /// All rows at all moments for one version of each protocol dialect; otherwise a few cells.
    full: bool,
    /// Go versions with their commands.
    go: Vec<(String, PathBuf)>,
    /// Seconds of a soak test, in place of the matrix.
    soak: Option<u64>,
    /// A misbehaving cache program, in place of the matrix, with its directory.
    misbehave: Option<(Misbehavior, PathBuf)>,
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
            "--misbehave" => {
                let name = value()?;
                let kind = Misbehavior::ALL.into_iter().find(|kind| kind.name() == name);
                let kind = kind.ok_or(format!("kinds: {:?}", Misbehavior::ALL.map(Misbehavior::name)))?;
                args.misbehave = Some((kind, value()?.into()));
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
fn cells(args: &Args, version: &str) -> Vec<(Fault, GoCommand, Moment)> {
    let dialect = ["1.21", "1.24", "1.27"].iter().any(|dialect| version.starts_with(dialect));
    let mut cells = Vec::new();
    for (n, fault) in Fault::ALL.into_iter().enumerate() {
        for (m, command) in GoCommand::ALL.into_iter().enumerate() {
            for moment in Moment::ALL {
                let wanted = match (args.full, dialect) {
                    (true, true) => true,
                    (true, false) => moment == Moment::Middle,
                    (false, _) => moment == Moment::Middle && n % GoCommand::ALL.len() == m,
                };
                // A fault before the command has only one moment.
                let wanted = wanted && (moment == Moment::Middle || !fault.precedes_command());
                let chosen = args.rows.is_empty() || args.rows.iter().any(|row| row == fault.name());
                if wanted && chosen {
                    cells.push((fault, command, moment));
                }
            }
        }
    }
    cells
}

fn main() -> ExitCode {
    let done = parse().and_then(|args| match (&args.misbehave, args.soak) {
        (Some((kind, dir)), _) => misbehaving_cacheprog::run(*kind, dir).map_err(|e| e.to_string()),
        (None, Some(seconds)) => {
            soak::run(&args.bin, Duration::from_secs(seconds)).map(|summary| println!("summary: {summary}"))
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
    let source = tempfile::tempdir().map_err(|e| e.to_string())?;
    many_packages::write(source.path());
    let (mut passed, mut failed) = (0, 0);
    for (version, executable) in &args.go {
        let go = Go::new(executable, source.path());
        let template = Template::make(&args.bin, &go, args.full);
        for (fault, command, moment) in cells(args, version) {
            let Outcome { failure, details } = cell::run(&args.bin, (&go, &template), fault, command, moment);
            let cell = format!("go {version:<8} {:<20} {:<6} {:<5}", fault.name(), command.name(), moment.name());
            match failure {
                None => {
                    passed += 1;
                    println!("ok     {cell} {details}");
                }
                Some(failure) => {
                    failed += 1;
                    println!("FAILED {cell} {details}\n       {failure}");
                }
            }
        }
    }
    println!("summary: {passed} cells as without a cache, {failed} different");
    if failed == 0 && passed > 0 { Ok(()) } else { Err(format!("{failed} of {} cells", passed + failed)) }
}
