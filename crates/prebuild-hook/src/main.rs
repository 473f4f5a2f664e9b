//! `prebuild-hook DRV [CHROOT]`: Nix's pre-build-hook. Prints the sandbox paths for a build that is offered the cache.
//! `prebuild-hook --check SETTINGS` checks a file of settings.
//!
//! The rule to keep: exit 0 and print all or nothing. Anything else ends the user's whole `nix build` (docs/facts/nix.md, "A hook that fails"),
//! so only another hook of the chain that wants that, by failing itself, gets it.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let (called, args) = args.split_first().map_or((OsString::new(), &[][..]), |(called, args)| (called.clone(), args));
    if let [check, settings] = args
        && check == "--check"
    {
        let checked = prebuild_hook::check(Path::new(settings));
        return checked.map_or_else(|e| log(&e.to_string(), ExitCode::FAILURE), |()| ExitCode::SUCCESS);
    }
    let outcome = prebuild_hook::run(&called, args);
    for warning in &outcome.warnings {
        log(warning, ExitCode::SUCCESS);
    }
    drop(std::io::stdout().write_all(&outcome.text));
    ExitCode::from(outcome.code)
}

/// Writes a line to standard error, which is that of the Nix daemon: it goes to the journal. A write error is ignored.
fn log(text: &str, code: ExitCode) -> ExitCode {
    drop(writeln!(std::io::stderr(), "nix-gocacheprog: {text}"));
    code
}
