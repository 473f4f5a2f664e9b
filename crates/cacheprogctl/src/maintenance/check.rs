//! `cacheprogctl check`: prints what is wrong with a settings file before a daemon is started with it. NixOS runs it when it builds a
//! system. The hook checks its own file.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use proto::figures::bytes;
use settings::{SettingsError, StateDir};
use store::{Disk, Limits};

use crate::error::CommandError;
use crate::terminal::print;

/// Which file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The settings file.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    store: StateDir,
}

/// How the file of the hook's settings is named.
const HOOK_FILE: &str = "hook.toml";

/// What the hook's settings have and the daemon's have not (prebuild-hook: settings.rs).
const HOOK_KEYS: [&str; 9] =
    ["mode", "unreadable", "go-env", "allow", "deny", "chain", "control", "client", "modproxy"];

/// Reads it, with the parser of the daemon. A disk that has less free than these settings want is no error of the file: it may have
/// more when the daemon runs.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    let read = settings::read(Some(&args.path));
    if is_of_hook(&args.path, read.as_ref().err()) {
        return Err(CommandError::HookSettings { path: args.path.clone() });
    }
    let limits = read?.limits();
    let dir = &args.store.state_dir;
    if let Some(warning) = disk(dir).and_then(|disk| too_little_room(limits, disk)) {
        log::warn!("on the disk of {}: {warning}", dir.display());
    }
    print(&format!("{}: valid\n", args.path.display()))
}

fn is_of_hook(path: &Path, error: Option<&SettingsError>) -> bool {
    let what = if let Some(SettingsError::Invalid { what, .. }) = error { what.as_str() } else { "" };
    let unknown = what.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let is_named = path.file_name().is_some_and(|name| name == HOOK_FILE) && path.is_file();
    is_named || unknown.is_some_and(|key| HOOK_KEYS.contains(&key))
}

/// The disk of the state directory, if that is there. Users may not look into systemd's, and find the directory above it.
fn disk(dir: &Path) -> Option<Disk> {
    match Disk::of(dir) {
        Err(e) if e.kind() == ErrorKind::PermissionDenied => Disk::of(dir.parent()?).ok(),
        other => other.ok(),
    }
}

/// What these limits do on this disk, where that is more than to keep the cache small.
fn too_little_room(limits: Limits, disk: Disk) -> Option<String> {
    if let Err(e) = limits.check(disk) {
        return Some(format!("{e}; the daemon does not start with it"));
    }
    let least = limits.min_free(disk);
    (disk.free < least).then(|| {
        let (free, least) = (bytes(disk.free), bytes(least));
        format!("{free} are free, and min-free is {least}: the daemon evicts entries, all of them if need be. Free disk space, or lower it")
    })
}
