//! `cacheprogd verify`: reads everything in a store, with or without a daemon beside it.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use store::{Access, OnDamage, Store, StoreError, Verified};

use crate::client;
use crate::error::CommandError;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// The store: the daemon's state directory, or one of `cacheprog-client --store`.
    #[arg(long, value_name = "DIR", env = "CACHE_DIRECTORY", default_value = DEFAULT_STATE_DIR)]
    state_dir: PathBuf,
    /// Remove what is damaged. It is built once more when it is asked for.
    #[arg(long)]
    repair: bool,
    /// What was found as one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where the units keep the daemon's state.
const DEFAULT_STATE_DIR: &str = "/var/cache/nix-gocacheprog";

/// Reads everything.
///
/// # Errors
/// Where there is no store, it cannot be read, or something in it is damaged and stays.
pub(crate) fn run(args: &Verify) -> Result<(), CommandError> {
    let dir = &args.state_dir;
    let format = dir.join("format");
    let owner = format.metadata().map_err(|source| match source.kind() {
        ErrorKind::NotFound => CommandError::NoStore { path: dir.clone(), source },
        _ => StoreError::Io { verb: "reading", path: format, source }.into(),
    })?;
    become_owner(owner.uid(), owner.gid())
        .map_err(|e| CommandError::System("taking the store's owner's uid", e.into()))?;
    let store = Store::open(dir, Access::Owner)?;
    let found = store.verify(if args.repair { OnDamage::Remove } else { OnDamage::Leave })?;
    let text = if args.json {
        serde_json::to_string_pretty(&found).map_err(|e| CommandError::Output(e.into()))? + "\n"
    } else {
        report(dir, &found, args.repair)
    };
    client::print(&text)?;
    if found.is_whole() || (args.repair && found.errors.is_empty()) {
        Ok(())
    } else {
        Err(CommandError::Damaged { path: dir.clone() })
    }
}

/// Root works as the store's owner, so that nothing of root's is left there.
fn become_owner(uid: u32, gid: u32) -> nix::Result<()> {
    if !Uid::effective().is_root() || uid == 0 {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}

fn report(dir: &Path, found: &Verified, repaired: bool) -> String {
    let mut text = format!(
        "{}: {} entries and {} objects ({} bytes) are whole\n",
        dir.display(),
        found.entries,
        found.objects,
        found.bytes
    );
    let done = if repaired { "removed" } else { "remove with --repair" };
    for (number, what) in [
        (found.damaged_objects, "damaged objects"),
        (found.damaged_records, "damaged records"),
        (found.lost_outputs, "records of lost objects"),
    ] {
        if number > 0 {
            text += &format!("{number} {what}: {done}\n");
        }
    }
    if found.foreign > 0 {
        text += &format!("{} foreign files: left alone\n", found.foreign);
    }
    found.errors.iter().for_each(|error| text += &format!("{error}\n"));
    text
}
