//! `prebuild-hook DRV [CHROOT]`: Nix's pre-build-hook. Prints the sandbox paths for a build that is offered the cache.
//! `prebuild-hook --check SETTINGS` checks a file of settings, `prebuild-hook --explain DRV` tells what a build would get and why. Nix names a derivation by its absolute path: what begins with a dash is
//! not Nix's call, and nothing is registered for it.
//!
//! The rule to keep: exit 0 and print all or nothing. Anything else ends the user's whole `nix build` (docs/facts/nix.md, "A hook that fails"),
//! so only another hook of the chain that wants that, by failing itself, gets it.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: prebuild-hook DRV [CHROOT]        as Nix calls it: print the sandbox paths for this build
       prebuild-hook --check SETTINGS    check a file of settings
       prebuild-hook --explain DRV       tell whether a build gets the cache, and why
       prebuild-hook --version | --help
";

const HELP: &str = "
Nix's pre-build-hook of nix-gocacheprog. Nix runs it before each build, as nix.conf says:

    pre-build-hook = /etc/nix-gocacheprog/hook

For a build that asks for Go's cache (in transparent mode: one with a Go toolchain) it registers the
build at the daemon, and prints what Nix mounts into its sandbox: /gocache with the socket, and the
client. For all other builds it prints nothing. It exits with 0 within a second: without the daemon
the build goes on without the cache, and the reason is in nix-daemon's log.

Settings: the file beside the path in nix.conf, with .toml added: /etc/nix-gocacheprog/hook.toml.
    mode = \"opt-in\" or \"transparent\"   which builds are offered the cache
    allow, deny = [PATTERN...]            by name, in transparent mode
    chain = [PROGRAM...]                  other hooks to run; Nix itself runs one only
docs/reference/settings.md has all of them.

Examples:
    /etc/nix-gocacheprog/hook --check /etc/nix-gocacheprog/hook.toml
    /etc/nix-gocacheprog/hook --explain \"$(nix-instantiate '<nixpkgs>' -A caddy)\"
    /etc/nix-gocacheprog/hook \"$(nix-instantiate '<nixpkgs>' -A caddy)\"
                                          what a build of caddy would get; it is registered

Exit status: 0, or that of another hook of the chain that failed. --check, --explain: 1 where the
settings are wrong or it is no derivation.
";

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().collect();
    let (called, args) = args.split_first().map_or((OsString::new(), &[][..]), |(called, args)| (called.clone(), args));
    if let [check, settings] = args
        && check == "--check"
    {
        let checked = prebuild_hook::check(Path::new(settings));
        let Err(e) = checked else { return ExitCode::SUCCESS };
        log(&e.to_string());
        return ExitCode::FAILURE;
    }
    if let [explain, derivation] = args
        && explain == "--explain"
    {
        return match prebuild_hook::explain(&called, Path::new(derivation)) {
            Ok(text) => print(&(text + "\n")),
            Err(e) => {
                log(&e.to_string());
                ExitCode::FAILURE
            }
        };
    }
    match args.first().map(|first| first.as_encoded_bytes()) {
        Some(b"--help") => return print(&[USAGE, HELP].concat()),
        Some(b"-h") => return print(USAGE),
        Some(b"--version" | b"-V") => return print(concat!("prebuild-hook ", env!("CARGO_PKG_VERSION"), "\n")),
        Some([b'-', ..]) | None => {
            drop(std::io::stderr().write_all(USAGE.as_bytes()));
            return ExitCode::SUCCESS;
        }
        Some(_) => {}
    }
    let outcome = prebuild_hook::run(&called, args);
    for warning in &outcome.warnings {
        log(warning);
    }
    drop(std::io::stdout().write_all(&outcome.text));
    ExitCode::from(outcome.code)
}

fn print(text: &str) -> ExitCode {
    drop(std::io::stdout().write_all(text.as_bytes()));
    ExitCode::SUCCESS
}

/// Writes a line to standard error, which is that of the Nix daemon: it goes to the journal. A write error is ignored.
fn log(text: &str) {
    drop(writeln!(std::io::stderr(), "nix-gocacheprog: {text}"));
}
