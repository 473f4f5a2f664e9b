//! Restores one build of an earlier daemon from its directory: whether it can go on, never will, or not now.
//!
//! The list of builds is registry.rs's.

use std::io;

use store::BuildDir;

use super::build::{Build, DaemonWide};
use super::state_file::{BuildState, ReadError};
use crate::net::bind::build_socket;

/// Why a build of an earlier daemon is not live.
#[derive(Debug)]
pub(crate) enum RestoreError {
    /// It is over, and its directory can be removed.
    Over(String),
    /// The system refuses for now (no space, say).
    NotNow(io::Error),
}

/// Reads the build's state and binds its socket again.
///
/// # Errors
/// A [`RestoreError`].
pub(crate) fn restore(dir: BuildDir, boot: Option<&str>, daemon: DaemonWide) -> Result<Build, RestoreError> {
    let state = match BuildState::read(&dir) {
        Ok(Some(state)) => state,
        Ok(None) => return Err(RestoreError::Over("it has no state".to_owned())),
        Err(ReadError::Damaged(e)) => return Err(RestoreError::Over(format!("damaged state: {e}"))),
        Err(ReadError::Io(e)) => return Err(RestoreError::NotNow(e)),
    };
    if let (Some(then), Some(now)) = (state.boot.as_deref(), boot)
        && then != now
    {
        return Err(RestoreError::Over("the machine was booted again".to_owned()));
    }
    let listener = build_socket(&dir.view()).map_err(RestoreError::NotNow)?;
    Ok(Build::new(dir, listener, state, daemon))
}
