//! What a restarted daemon must know of a live build: the format of `build.json` in the build's directory; and the build's name,
//! which is that of its derivation without control characters.
//!
//! No other file reads or writes it. docs/reference/on-disk.md has the fields.

use std::fs;
use std::io::ErrorKind;
use std::time::SystemTime;

use proto::control::{Counts, Registration};
use proto::limits::END_OF_TIME;
use serde::{Deserialize, Serialize};
use store::{BuildDir, StoreError};

use super::liveness::LivenessProbe;
use super::quota::DiskUsage;
use crate::clock;
use crate::limits::NAME_CHARACTERS;
use crate::trust::Writes;

/// The state of a build.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BuildState {
    pub(crate) name: String,
    /// Seconds since 1970.
    pub(crate) started: u64,
    /// The same in milliseconds; 0 where an earlier daemon wrote this.
    #[serde(default)]
    pub(crate) started_ms: u64,
    /// When a session last began or ended, in milliseconds since 1970; 0: there was none.
    #[serde(default)]
    pub(crate) last_used_ms: u64,
    /// The kernel's boot id; builds of another boot are over.
    pub(crate) boot: Option<String>,
    #[serde(rename = "watch")]
    pub(crate) probe: LivenessProbe,
    /// The user of a session outside of sandboxes.
    #[serde(default)]
    pub(crate) owner: Option<u32>,
    /// Where its entries go.
    #[serde(default)]
    pub(crate) writes: Writes,
    /// Whether it is known to have no network.
    #[serde(default)]
    pub(crate) is_offline: bool,
    #[serde(default)]
    pub(crate) counts: Counts,
    #[serde(default)]
    pub(crate) used: DiskUsage,
    /// Whether it is over, and counted among the builds that ended: its directory alone is left.
    #[serde(default)]
    pub(crate) has_ended: bool,
}

impl BuildState {
    /// The state of a build that is registered now.
    pub(crate) fn new(
        registration: &Registration,
        (owner, writes): (Option<u32>, Writes),
        (probe, boot): (LivenessProbe, Option<String>),
        now: SystemTime,
    ) -> Self {
        Self {
            name: derivation_name(&registration.derivation),
            started: clock::unix(now),
            started_ms: clock::unix_ms(now),
            last_used_ms: 0,
            boot,
            owner,
            writes,
            // A user's own go commands have a network, and what they put is that user's.
            is_offline: owner.is_some() || registration.is_offline,
            probe,
            counts: Counts::default(),
            used: DiskUsage::default(),
            has_ended: false,
        }
    }

    /// When the build was registered, in milliseconds since 1970.
    pub(crate) fn started_ms(&self) -> u64 {
        if self.started_ms == 0 { self.started * 1000 } else { self.started_ms }
    }

    /// Writes it.
    pub(crate) fn write(&self, dir: &BuildDir) -> Result<(), StoreError> {
        // Serialising plain data into memory cannot fail.
        dir.write_state(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Writes it with other counts and times, and whether it has ended: as it is now.
    pub(crate) fn write_with(
        &self,
        dir: &BuildDir,
        (counts, used, last_used_ms, has_ended): (Counts, DiskUsage, u64, bool),
    ) -> Result<(), StoreError> {
        let mut state = serde_json::to_value(self).unwrap_or_default();
        state["used"] = serde_json::to_value(used).unwrap_or_default();
        state["counts"] = serde_json::to_value(counts).unwrap_or_default();
        state["last_used_ms"] = last_used_ms.into();
        state["has_ended"] = has_ended.into();
        dir.write_state(state.to_string().as_bytes())
    }

    /// Reads it; `None` where there is none: the last daemon ended before anyone was told of the build.
    ///
    /// # Errors
    /// Where it cannot be read now, or is damaged.
    pub(crate) fn read(dir: &BuildDir) -> Result<Option<Self>, ReadError> {
        match fs::read(dir.state_file()) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ReadError::Io(e)),
            Ok(bytes) => Self::parse(&bytes).map(Some).map_err(ReadError::Damaged),
        }
    }

    /// The content of the file. A time that no clock shows is damage: it cannot be counted with.
    pub(crate) fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let state: Self = serde_json::from_slice(bytes)?;
        let in_time = state.started < END_OF_TIME && state.started_ms.max(state.last_used_ms) / 1000 < END_OF_TIME;
        if in_time { Ok(state) } else { Err(serde::de::Error::custom("a time after the year 9999")) }
    }
}

/// Why the state of a build cannot be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    Io(std::io::Error),
    Damaged(serde_json::Error),
}

/// The name in a derivation's path: `/nix/store/<32 characters>-NAME.drv`.
fn derivation_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.strip_suffix(".drv").unwrap_or(file);
    let name = match name.split_once('-') {
        Some((hash, name)) if hash.len() == 32 => name,
        _ => name,
    };
    // Derivation names have no control characters; a peer that sends some may not write them to our log.
    name.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_has_the_name_of_its_derivation() {
        let hash = "0".repeat(32);
        assert_eq!(derivation_name(&format!("/nix/store/{hash}-caddy-2.10.drv")), "caddy-2.10");
        assert_eq!(derivation_name("/tmp/x-y.drv"), "x-y");
        assert_eq!(derivation_name("a\nb"), "ab");
        assert_eq!(derivation_name(""), "");
    }

    #[test]
    fn a_time_that_no_clock_shows_is_damage() {
        let read = |name: &str, time: u64| {
            let mut state = serde_json::json!({ "name": "x", "started": 1, "boot": null, "watch": {} });
            state[name] = time.into();
            BuildState::parse(state.to_string().as_bytes())
        };
        for (name, unit) in [("started", 1), ("started_ms", 1000), ("last_used_ms", 1000)] {
            assert!(read(name, (END_OF_TIME - 1) * unit).is_ok(), "{name}");
            for time in [END_OF_TIME * unit, u64::MAX] {
                assert!(read(name, time).is_err(), "{name}");
            }
        }
    }
}
