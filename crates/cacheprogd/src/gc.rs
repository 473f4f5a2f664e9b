//! `cacheprogd gc`: brings a store within its limits. The daemon runs it too, as a process of its own: what a look at a
//! million entries takes, the system gets back.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use nix::sys::signal::SigSet;
use proto::control::DEFAULT_SETTINGS;
use proto::figures::bytes;
use rustix::process::setpriority_process;
use store::{Caps, Disk, Limits, Reason, Swept, Unwanted};

use crate::error::CommandError;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::state::StateDir;
use crate::{client, clock};

/// What to keep, and of which store.
#[derive(Debug, clap::Args)]
pub(crate) struct Gc {
    #[command(flatten)]
    store: StateDir,
    #[command(flatten)]
    keep: Keep,
    /// Say what would go and why, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// What was done as one JSON object.
    #[arg(long)]
    json: bool,
}

/// The settings, from the command line and from a file.
#[derive(Debug, clap::Args)]
pub(crate) struct Keep {
    /// Settings, as TOML: the options of this command without their dashes. [default: /etc/nix-gocacheprog.toml, if it is there]
    #[arg(long, value_name = "FILE", env = "NIX_GOCACHEPROG_CONFIG")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Keep {
    /// The settings, with those of the file where the command line says nothing.
    ///
    /// # Errors
    /// Where the file cannot be read or says something else.
    pub(crate) fn settings(&self) -> Result<Settings, CommandError> {
        Ok(self.settings.clone().or(read_settings(self.config.as_deref())?))
    }
}

/// The settings of a file, or of the usual one if it is there.
///
/// # Errors
/// Where the file cannot be read or says something else.
pub(crate) fn read_settings(file: Option<&Path>) -> Result<Settings, CommandError> {
    let path = file.unwrap_or(Path::new(DEFAULT_SETTINGS)).to_owned();
    match std::fs::read_to_string(&path) {
        Ok(text) => toml::from_str(&text).map_err(|source| CommandError::Settings { path, source }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && file.is_none() => Ok(Settings::default()),
        Err(source) => Err(CommandError::NoSettings { path, source }),
    }
}

/// Surveys, plans and removes.
///
/// # Errors
/// Where the settings make no sense, there is no store, or something could not be looked at or removed.
pub(crate) fn run(args: &Gc) -> Result<(), CommandError> {
    // The daemon, which may have started this, keeps signals for itself.
    SigSet::all().thread_unblock().map_err(|e| CommandError::System("unblocking signals", e.into()))?;
    // Builds come first. Should the system refuse, it is done at the usual priority.
    let _busy = setpriority_process(None, 19);
    let caps = args.keep.settings()?.caps();
    let what = if args.dry_run { Unwanted::Leave } else { Unwanted::Remove };
    let store = args.store.open(what)?;
    let disk = Disk::of(store.root()).map_err(|e| CommandError::System("asking for the free space", e))?;
    caps.check(disk).map_err(CommandError::Limits)?;
    let (mut progress, mut steps) = (Progress::new("steps", 0), 0);
    let mut go_on = || {
        steps += 1;
        progress.at(steps);
        true
    };
    let swept = store.sweep(&caps.limits(disk), clock::now(), what, &mut go_on)?.unwrap_or_default();
    drop(progress);
    let text = if args.json {
        serde_json::to_string_pretty(&swept).map_err(|e| CommandError::Output(e.into()))? + "\n"
    } else {
        report(&args.store.state_dir.display().to_string(), (&swept, what), &caps, disk)
    };
    client::print(&text)?;
    if swept.errors.is_empty() { Ok(()) } else { Err(CommandError::Unswept { path: args.store.state_dir.clone() }) }
}

fn report(dir: &str, (swept, what): (&Swept, Unwanted), caps: &Caps, disk: Disk) -> String {
    let Limits { max_size, max_age, .. } = caps.limits(disk);
    let age = max_age.map_or(String::new(), |age| humantime::format_duration(age).to_string());
    let count = |census: &store::Census| {
        format!("{} entries, {} objects, {}", census.entries, census.objects, bytes(census.bytes))
    };
    let most = max_size.map_or(String::new(), |most| format!(" of at most {}", bytes(most)));
    let free = caps.min_free(disk);
    let mut text = format!(
        "{dir}: {}{most}\n{} free on the disk, at least {} to be left\n",
        count(&swept.before),
        bytes(disk.free),
        bytes(free)
    );
    if disk.inodes > 0 {
        let (free, floor) = (disk.free_inodes, caps.min_free_inodes(disk));
        text += &format!("{free} inodes free, at least {floor} to be left\n");
    }
    let does = if what == Unwanted::Leave { "would go" } else { "gone" };
    for (reason, share) in &swept.gone {
        let why = match reason {
            Reason::Unnamed => "objects that no entry names".to_owned(),
            Reason::Unfinished => "files of writers that were killed".to_owned(),
            Reason::Broken => "entries that are damaged or without their object".to_owned(),
            Reason::Age => format!("unused for more than {age}"),
            Reason::Size => "least recently used, as the store is larger than its limit".to_owned(),
            Reason::Space => {
                "least recently used, as the disk has too little free space or too few free inodes".to_owned()
            }
        };
        let (entries, objects, size) = (share.entries, share.objects, bytes(share.bytes));
        // Writing to a String cannot fail.
        let _infallible = writeln!(text, "{does}: {entries} entries, {objects} objects, {size}: {why}");
    }
    if swept.gone.is_empty() {
        text += "nothing has to go\n";
    }
    if swept.spared > 0 {
        let _infallible = writeln!(text, "{} entries were used meanwhile and stay", swept.spared);
    }
    let _infallible = writeln!(text, "left: {}", count(&swept.left));
    swept.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}
