//! The command line: subcommands and their arguments.

mod failure;
mod gc;
mod keygen;
mod local;
mod serve;
mod status;
mod try_remote;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{Parser, Subcommand};
use failure::Failure;
use local::Local;
use remote::url::{Addressing, Origin, PlainHttp, Url, parse_region};
use store::Mode;

use crate::clock;
use crate::credentials::CredentialsSource;
use crate::engine::{Connections, Engine, EngineSettings, HttpProxy};

/// Brings build outputs from a remote store, and puts them there: without Nix, for `cacheprog-client --remote URL`.
///
/// Credentials come from `NIX_GOCACHEPROG_REMOTE_ACCESS_KEY_ID`, `…_SECRET_ACCESS_KEY` and `…_SESSION_TOKEN` (s3),
/// `…_USERNAME` and `…_PASSWORD` or `…_TOKEN` (https), or from a file (--credentials-file).
#[derive(Debug, Parser)]
#[command(name = "cacheprog-remote", version, max_term_width = 100, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The end of the long help.
const EXAMPLES: &str = "\
Examples:
  cacheprog-remote keygen ci-1 --secret-key-file ci-1.key
  cacheprog-remote test --write --url s3://bucket/go";

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch what the remote store has for builds of a name and the local one lacks. Only what a trusted key signed is taken.
    Pull {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        local: Local,
        /// The toolchain, as cacheprog-client tells it; by default each for which this store was filled before.
        #[arg(long, value_name = "JSON")]
        toolchain: Option<String>,
        /// Whose entries are taken: public keys, NAME:BASE64. Several are separated by spaces.
        #[arg(long, value_name = "KEYS", env = "NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS", value_delimiter = ' ')]
        trusted_public_keys: Vec<String>,
        /// Also take what C compilers made: this machine has the compilers, headers and libraries of the machines that put it.
        #[arg(long, env = "NIX_GOCACHEPROG_REMOTE_WITH_C", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
        with_c: bool,
    },
    /// Put what was used lately into the remote store, signed. C is left out, as nothing tells the machines' headers apart (--with-c).
    Push {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        local: Local,
        /// The file of the secret key; else the key is the value of `NIX_GOCACHEPROG_REMOTE_SECRET_KEY`.
        #[arg(long, value_name = "FILE")]
        secret_key_file: Option<PathBuf>,
        /// Put what was used within this time, at least two hours: uses are noted hourly.
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = used_within)]
        used_within: Duration,
        /// After how long a rule of the remote store removes what was put: it is put again after half of it, while it is used.
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = humantime::parse_duration)]
        kept_for: Duration,
        /// Also put what C compilers made: all machines that trust this key have the same compilers, headers and libraries.
        #[arg(long)]
        with_c: bool,
    },
    /// Tell what the remote store has for builds of a name, by each trusted key, and how much of it the local store has.
    Status {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        local: Local,
        /// Of which keys: public keys, NAME:BASE64. Several are separated by spaces.
        #[arg(long, value_name = "KEYS", env = "NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS", value_delimiter = ' ')]
        trusted_public_keys: Vec<String>,
        /// Print one JSON object (docs/reference/cli.md has the schema).
        #[arg(long)]
        json: bool,
    },
    /// Remove what was put too long ago, from an S3 engine that has no lifecycle rules. It needs credentials that may list and remove.
    Gc {
        #[command(flatten)]
        remote: Remote,
        /// How long objects are kept after they were put, at least a day: as long as `push --kept-for`, or longer.
        #[arg(long, value_name = "TIME", default_value = "30d", value_parser = gc::kept_for)]
        kept_for: Duration,
        /// Print how much would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Give the daemon what it asks for: it has no network, and verifies what it is given. The remote store is that of `[remote]` in the
    /// daemon's settings; the socket comes from systemd as standard input, or is made at the setting `socket`.
    Serve {
        /// The daemon's settings. [default: /etc/nix-gocacheprog.toml]
        #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CONFIG")]
        config: Option<PathBuf>,
        /// A file with credentials, as ~/.aws/credentials is written; by default systemd's credential `remote`.
        #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_REMOTE_CREDENTIALS_FILE")]
        credentials_file: Option<PathBuf>,
        /// Exit after so many seconds without a request, where systemd starts it again.
        #[arg(long, value_name = "SECONDS")]
        idle_exit: Option<u64>,
    },
    /// Make a key. The secret half is written to a new file, the public one is printed.
    Keygen {
        /// The name of the key, such as ci-1. A new key gets a new name.
        name: String,
        /// The file for the secret key.
        #[arg(long, value_name = "FILE")]
        secret_key_file: PathBuf,
    },
    /// Try the remote store step by step, and say what is wrong. It reads; with --write it also puts an object of 256 KiB, reads it, and removes
    /// it: so it finds what is slow or breaks off too.
    Test {
        #[command(flatten)]
        remote: Remote,
        /// Try to write too.
        #[arg(long)]
        write: bool,
    },
}

/// The remote store.
#[derive(Debug, clap::Args)]
struct Remote {
    /// `s3://BUCKET/PREFIX` or `https://HOST/PREFIX`. (`http://` is taken for this machine alone.)
    #[arg(long, value_name = "URL", env = "NIX_GOCACHEPROG_REMOTE_URL")]
    url: String,
    /// The address of an S3 engine other than AWS, `https://HOST[:PORT]`.
    #[arg(long, value_name = "URL", env = "NIX_GOCACHEPROG_REMOTE_ENDPOINT")]
    endpoint: Option<String>,
    /// The region of an S3 engine; by default the one in the address, or the one that it names itself.
    #[arg(long, value_name = "REGION", env = "NIX_GOCACHEPROG_REMOTE_REGION")]
    region: Option<String>,
    /// How an S3 engine is told the bucket: in the path, or in the host's name. By default in the path; for AWS in the host.
    #[arg(long, value_name = "HOW", env = "NIX_GOCACHEPROG_REMOTE_ADDRESSING")]
    addressing: Option<Addressing>,
    /// A file with credentials, as ~/.aws/credentials is written.
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_REMOTE_CREDENTIALS_FILE")]
    credentials_file: Option<PathBuf>,
    /// The profile in that file.
    #[arg(long, value_name = "NAME", default_value = "", env = "NIX_GOCACHEPROG_REMOTE_PROFILE")]
    profile: String,
}

impl Args {
    /// Carries out the subcommand.
    ///
    /// # Errors
    /// An error whose text says what failed, and how to fix it.
    pub fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Command::Pull { remote, local, toolchain, trusted_public_keys, with_c } => {
                let wanted =
                    local::Wanted { toolchain: toolchain.as_deref(), keys: trusted_public_keys, with_c: *with_c };
                local::pull(&remote.engine()?, local, wanted)
            }
            Command::Push { remote, local, secret_key_file, used_within, kept_for, with_c } => {
                let key = keygen::read(secret_key_file.as_deref())?;
                let since = clock::now().checked_sub(*used_within).unwrap_or(SystemTime::UNIX_EPOCH);
                local::push(
                    &remote.engine()?,
                    local,
                    &key,
                    local::PushOptions { since, kept_for: *kept_for, with_c: *with_c },
                )
            }
            Command::Status { remote, local, trusted_public_keys, json } => {
                let form = if *json { status::Form::Json } else { status::Form::Lines };
                status::run(&remote.engine()?, local, trusted_public_keys, form)
            }
            Command::Gc { remote, kept_for, dry_run } => {
                let mode = if *dry_run { Mode::DryRun } else { Mode::Apply };
                gc::run(&remote.engine()?, &remote.url, gc::Options { kept_for: *kept_for, mode })
            }
            Command::Serve { config, credentials_file, idle_exit } => {
                let Some(settings) = settings::read(config.as_deref())?.remote else {
                    return Err("the settings have no [remote] (docs/how-to/remote-store.md)".into());
                };
                let remote = Remote {
                    url: settings.url.as_str().to_owned(),
                    endpoint: settings.endpoint.as_ref().map(|endpoint| endpoint.as_str().to_owned()),
                    region: settings.region().map(str::to_owned),
                    addressing: settings.addressing(),
                    credentials_file: credentials_file.clone(),
                    profile: settings.profile,
                };
                serve::run(&remote.engine()?, &settings.socket, idle_exit.map(Duration::from_secs))
            }
            Command::Keygen { name, secret_key_file } => keygen::make(name, secret_key_file),
            Command::Test { remote, write } => try_remote::run(&remote.engine()?, *write),
        }
    }
}

impl Remote {
    fn engine(&self) -> Result<Engine, Failure> {
        let url = Url::parse(&self.url, PlainHttp::Loopback)?;
        let credentials = CredentialsSource::from_environment(self.credentials_file.clone(), &self.profile);
        let endpoint = self.endpoint.as_deref().map(|text| Origin::parse(text, PlainHttp::Loopback)).transpose()?;
        let region = self.region.as_deref().map(parse_region).transpose()?;
        let connections =
            Connections { certificates: certificates(), proxy: HttpProxy::Environment, ..Connections::default() };
        let settings = EngineSettings::new(url, credentials);
        Ok(Engine::new(&EngineSettings { endpoint, region, addressing: self.addressing, connections, ..settings }))
    }
}

/// Files of trusted certificates where no variable names one, in the order of Go's crypto/x509 on Linux.
const CERTIFICATE_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The file of trusted certificates.
fn certificates() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "this is where the certificates are found")]
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = ["NIX_SSL_CERT_FILE", "SSL_CERT_FILE"].into_iter().find_map(named).map(PathBuf::from);
    named.or_else(|| CERTIFICATE_FILES.into_iter().map(PathBuf::from).find(|path| path.is_file()))
}

/// A span that is longer than what a use is noted late.
fn used_within(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|e| e.to_string())?;
    if time < Duration::from_secs(2 * 3600) { Err("it is at least 2h".to_owned()) } else { Ok(time) }
}

/// Writes one log line.
///
/// # Errors
/// What the writer returns.
pub fn log_line(out: &mut env_logger::fmt::Formatter, record: &log::Record<'_>) -> io::Result<()> {
    writeln!(out, "nix-gocacheprog: cacheprog-remote: {}", record.args().to_string().replace('\n', " "))
}
