//! The command line as typed, and what it means. Small enough to be read by hand, and every start counts.

use std::ffi::OsString;
use std::path::PathBuf;

/// What is printed for `--help`.
pub const HELP: &str = "\
cacheprog-client: a cache program for the go command (GOCACHEPROG)

  GOCACHEPROG=/path/to/cacheprog-client go build ./...

usage:
  cacheprog-client              serve the go command on standard input and output: through the
                                socket of the build in a Nix sandbox that has one, else from a store
                                in the user's cache directory, or, in a build of Nix, in GOCACHE
  cacheprog-client --store DIR  ... from the store in DIR
  cacheprog-client [--store DIR] --lower DIR[:DIR...]
                                ... from such a store, and from these below it, which are only read
  cacheprog-client [--store DIR] --remote URL
                                ... from such a store, into which cacheprog-remote brings first what
                                the remote store at URL has for the module and the branch (see
                                cacheprog-remote --help)
  cacheprog-client --transparent
                                the same: an earlier version shared less with this
  cacheprog-client env [PHASE]  print shell commands: in such a sandbox those that the setup hook
                                evaluates in this phase (postConfigure, preBuild, postBuild,
                                preCheck, postCheck, exit); outside of one those for a session with
                                the host's daemon, where it offers sessions; elsewhere fail
  cacheprog-client condition SCOPE
                                print what entries of this scope (such as tree, or
                                \"module example.org/m@v1.2.3\") depend on in this directory and
                                environment: files, variables and programs, with hashes
  cacheprog-client --version | --help

NIX_GOCACHEPROG_VERBOSE=1 prints on standard error why the daemon, the store or a setting is not
used. NIX_GOCACHEPROG_MAX_SIZE=20GiB limits the user's own store, once a day (default: 10% of the
disk, at most 50GiB). `cacheprogctl status --store` shows what is in that store and what it gave,
`cacheprogctl purge --store` clears it; `go clean -cache` does not. A store that cannot be written
is only read.
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve cmd/go, from this store if one is named.
    Serve {
        /// `--store DIR`.
        store: Option<PathBuf>,
        /// `--lower DIR[:DIR...]`.
        lower: Vec<PathBuf>,
        /// `--remote URL`.
        remote: Option<OsString>,
    },
    /// Print shell commands for the setup hook.
    Env {
        /// The phase of the build. For a phase that this version does not know nothing is printed.
        phase: Option<OsString>,
    },
    /// Print what a condition is made of.
    Condition {
        /// Its scope, as the command line has it.
        scope: OsString,
    },
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
}

/// A command line that cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// `--store` or `--lower` without a directory.
    #[error("{0} needs a directory")]
    NoDirectory(&'static str),
    /// `--remote` without a URL.
    #[error("--remote needs the URL of a remote store")]
    NoUrl,
    /// `condition` without a scope.
    #[error("condition needs a scope")]
    NoScope,
    /// A person started it to serve.
    #[error("a go command starts it: GOCACHEPROG=cacheprog-client go build ./...")]
    Terminal,
    /// Something else.
    #[error("unknown argument {0:?}")]
    Unknown(OsString),
}

/// Reads the arguments, without the program's name.
///
/// # Errors
/// A [`UsageError`].
pub fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let (mut store, mut lower, mut remote, mut is_first) = (None, Vec::new(), None, true);
    while let Some(argument) = args.next() {
        match argument.to_str() {
            Some("--store") => store = Some(directory("--store", args.next())?.into()),
            Some("--lower") => {
                let dirs = directory("--lower", args.next())?;
                lower.extend(std::env::split_paths(&dirs).filter(|dir| !dir.as_os_str().is_empty()));
            }
            Some("--remote") => remote = Some(args.next().filter(|url| !url.is_empty()).ok_or(UsageError::NoUrl)?),
            Some("--transparent") => {}
            _ if is_first => return subcommand(argument, args),
            _ => return Err(UsageError::Unknown(argument)),
        }
        is_first = false;
    }
    Ok(Command::Serve { store, lower, remote })
}

fn directory(option: &'static str, value: Option<OsString>) -> Result<OsString, UsageError> {
    value.filter(|dir| !dir.is_empty()).ok_or(UsageError::NoDirectory(option))
}

fn subcommand(name: OsString, mut args: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let command = match name.to_str() {
        Some("env") => Command::Env { phase: args.next() },
        Some("condition") => Command::Condition { scope: args.next().ok_or(UsageError::NoScope)? },
        Some("--help" | "-h" | "help") => Command::Help,
        Some("--version" | "-V") => Command::Version,
        _ => return Err(UsageError::Unknown(name)),
    };
    match args.next() {
        None => Ok(command),
        Some(extra) => Err(UsageError::Unknown(extra)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Command, UsageError> {
        parse(args.iter().map(OsString::from))
    }

    #[test]
    fn no_line_of_the_help_is_wide() {
        assert!(HELP.lines().all(|line| line.chars().count() <= 100), "{HELP}");
    }

    #[test]
    fn the_command_line_is_read() {
        let serve = |store: Option<&str>, lower: &[&str]| {
            let lower = lower.iter().map(Into::into).collect();
            Ok(Command::Serve { store: store.map(Into::into), lower, remote: None })
        };
        assert_eq!(parsed(&[]), serve(None, &[]));
        assert_eq!(parsed(&["--store", "/x"]), serve(Some("/x"), &[]));
        assert_eq!(
            parsed(&["--lower", "/a:/b", "--store", "/x", "--lower", ":/c"]),
            serve(Some("/x"), &["/a", "/b", "/c"])
        );
        for option in ["--store", "--lower"] {
            assert_eq!(parsed(&[option]), Err(UsageError::NoDirectory(option)));
            assert_eq!(parsed(&[option, "/x", "env"]), Err(UsageError::Unknown("env".into())));
        }
        let remote = Some("https://a.example/x".into());
        assert_eq!(
            parsed(&["--remote", "https://a.example/x"]),
            Ok(Command::Serve { store: None, lower: Vec::new(), remote })
        );
        assert_eq!(parsed(&["--store", "/x", "--remote"]), Err(UsageError::NoUrl));
        assert_eq!(parsed(&["--transparent"]), serve(None, &[]));
        assert_eq!(parsed(&["env"]), Ok(Command::Env { phase: None }));
        assert_eq!(parsed(&["env", "preBuild"]), Ok(Command::Env { phase: Some("preBuild".into()) }));
        assert_eq!(parsed(&["env", "preBuild", "more"]), Err(UsageError::Unknown("more".into())));
        assert_eq!(parsed(&["condition", "std"]), Ok(Command::Condition { scope: "std".into() }));
        assert_eq!(parsed(&["condition"]), Err(UsageError::NoScope));
        assert_eq!(parsed(&["-x"]), Err(UsageError::Unknown("-x".into())));
    }
}
