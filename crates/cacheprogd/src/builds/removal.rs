//! Removing the directories of builds that are over, in the background: a build may have left a hundred thousand files.
//!
//! Whether a build is over is decided in registry.rs and build.rs.

use std::path::PathBuf;
use std::thread;

use proto::error::with_causes;
use store::BuildDir;

/// Moves a build's directory away, and removes it in the background.
pub(crate) fn remove_dir(dir: &BuildDir) {
    match dir.retire() {
        Ok(retired) => remove_in_background(vec![retired]),
        Err(e) => log::warn!("{}", with_causes(&e)),
    }
}

/// Removes directories that are not used any more, in a thread. Where no thread can be started, the next daemon removes them.
pub(crate) fn remove_in_background(leftovers: Vec<PathBuf>) {
    start(move || remove(leftovers));
}

/// Runs `work` in a thread of its own.
pub(crate) fn start(work: impl FnOnce() + Send + 'static) {
    if let Err(e) = thread::Builder::new().name("removal".to_owned()).spawn(work) {
        log::warn!("cannot start a thread to remove a directory: {e}; it is removed after the next start");
    }
}

/// Removes directories now.
pub(crate) fn remove(leftovers: Vec<PathBuf>) {
    for path in leftovers {
        if let Err(e) = store::remove_leftover(&path) {
            log::warn!("{}", with_causes(&e));
        }
    }
}
