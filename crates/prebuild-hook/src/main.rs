//! `prebuild-hook DRV [CHROOT]`: Nix's pre-build-hook. Prints the sandbox paths for a build that wants the cache.
//!
//! The rule to keep: exit 0 and print all or nothing. Anything else ends the user's whole `nix build` (FACTS-nix.md 1.4).

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let outcome = prebuild_hook::run(args);
    // Standard error is the Nix daemon's own, so its journal; nobody to tell where it is gone.
    if let Err(error) = &outcome {
        drop(writeln!(std::io::stderr(), "nix-gocacheprog: this build goes without a cache: {error}"));
    }
    if let Ok(Some(paths)) = outcome {
        drop(std::io::stdout().write_all(paths.as_bytes()));
    }
    ExitCode::SUCCESS
}
