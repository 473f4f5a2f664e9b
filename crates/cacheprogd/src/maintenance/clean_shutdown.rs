//! Whether the last daemon on this state directory shut down cleanly, and what a daemon does about it when it starts and when it
//! stops.
//!
//! The file `clean` is there while no daemon runs and the last one shut down cleanly: all that it wrote is on the disk, or in a
//! span that is written down. Which files are verified after an unclean shutdown is the store's part (store: recovery.rs); when
//! files are synced is syncer.rs's.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use proto::error::with_causes;
use store::{Shutdown, Store, StoreError};

use super::syncer::{SyncFileSystem, Syncer};
use crate::clock;
use crate::error::CommandError;

/// The file's name in the state directory.
const MARKER: &str = "clean";

/// Starts a daemon's work on a store: removes the marker of the last daemon and, if there was none, has the store verify what may
/// be lost before it is served. Whether the last shutdown was clean comes with it.
pub(crate) fn start(
    store: Store,
    boot: &str,
    sync: SyncFileSystem,
) -> Result<(Arc<Store>, Syncer, bool), CommandError> {
    let was_clean = remove_marker(&store)?;
    let shutdown = if was_clean { Shutdown::Clean } else { Shutdown::Unclean };
    store.recovery().resume_after(shutdown, boot, clock::now());
    let store = Arc::new(store);
    let syncer = Syncer::new(store.clone(), sync, !was_clean)?;
    if !was_clean {
        log::info!("unclean shutdown: verifying {}", written_since(store.recovery().verifies_since()));
        if let Err(e) = syncer.sync_now() {
            log::warn!("{}", with_causes(&e)); // no space, perhaps: what is stored is served all the same
        }
    }
    Ok((store, syncer, was_clean))
}

/// Stops a daemon's work on a store: syncs what was written and makes the marker. Where the disk does not take it in time, the next
/// daemon verifies.
pub(crate) fn finish(store: &Store, syncer: Syncer) {
    if !syncer.finish() {
        log::warn!(
            "stopping without a sync, as the disk is slow or full: the next daemon verifies the objects written last"
        );
    } else if let Err(e) = store.write_file(&store.root().join(MARKER), b"") {
        log::warn!("{}", with_causes(&e));
    }
}

/// Whether the marker was there. A new store needs none.
fn remove_marker(store: &Store) -> Result<bool, CommandError> {
    let (root, marker) = (store.root(), store.root().join(MARKER));
    match fs::remove_file(&marker) {
        // The disk must have this before anything is written: after a power cut the marker would be back.
        Ok(()) => {
            File::open(root).and_then(|dir| dir.sync_all()).map_err(StoreError::at("syncing", root))?;
            Ok(true)
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(store.is_new()),
        Err(e) => Err(StoreError::at("removing", &marker)(e).into()),
    }
}

/// What is verified, for the log.
fn written_since(since: Option<SystemTime>) -> String {
    match since {
        Some(time) if time > UNIX_EPOCH => {
            format!("objects written since {}", humantime::format_rfc3339_seconds(time))
        }
        _ => "all objects".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::Path;

    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use proto::wire::Toolchain;
    use proto::{ActionId, Output, OutputId};
    use sha2::{Digest, Sha256};
    use store::{Access, Put, Replaces, View};

    /// Puts a body; returns its file.
    fn put(store: &Store, body: &[u8]) -> std::path::PathBuf {
        let output = Output { id: OutputId(Sha256::digest(body).into()), size: body.len() as u64 };
        let mut staged = store.stage(output, &mut &*body, &mut Vec::new()).unwrap();
        let view = View::common(&Toolchain::default());
        let (origin, time, replaces) = (view.origin(None, ""), clock::now(), Replaces::Nothing);
        let put = Put { action: ActionId(output.id.0), time, cost_ms: 0, origin: &origin, condition: None, replaces };
        store.put(&view, &put, &mut staged).unwrap();
        store.object(output).unwrap().unwrap()
    }

    /// Other bytes under the same times.
    fn lose(path: &Path, bytes: &[u8]) {
        let times = path.metadata().unwrap().modified().unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
        File::open(path).unwrap().set_modified(times).unwrap();
    }

    fn start_with(dir: &Path, sync: SyncFileSystem) -> (Arc<Store>, Syncer, bool) {
        start(Store::open(dir, Access::Traversable).unwrap(), "boot", sync).unwrap()
    }

    #[test]
    fn after_a_failed_sync_the_next_daemon_verifies_what_it_concerned_although_the_shutdown_was_clean() {
        static FAILED: AtomicBool = AtomicBool::new(false);
        let fails_once = |_: &File| if FAILED.swap(true, Relaxed) { Ok(()) } else { Err(ErrorKind::Other.into()) };
        let dir = tempfile::tempdir().unwrap();
        let (store, syncer, _) = start_with(dir.path(), fails_once);
        let path = put(&store, b"body");
        assert!(syncer.sync_now().is_err());
        finish(&store, syncer);
        assert!(dir.path().join("clean").exists() && dir.path().join("synced").exists());
        lose(&path, b"none");
        let (store, _, was_clean) = start_with(dir.path(), |_| Ok(()));
        assert!(was_clean);
        assert_eq!(store.object(Output { id: OutputId(Sha256::digest(b"body").into()), size: 4 }).unwrap(), None);
    }

    #[test]
    fn where_the_first_sync_after_a_crash_fails_nothing_is_known_to_be_on_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = put(&start_with(dir.path(), |_| Ok(())).0, b"body"); // no finish
        let (store, syncer, _) = start_with(dir.path(), |_| Err(ErrorKind::Other.into()));
        finish(&store, syncer);
        assert!(!dir.path().join("clean").exists());
        lose(&path, b"none");
        let (store, ..) = start_with(dir.path(), |_| Ok(()));
        assert_eq!(store.object(Output { id: OutputId(Sha256::digest(b"body").into()), size: 4 }).unwrap(), None);
    }
}
