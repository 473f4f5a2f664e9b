//! Programs that speak another version of the protocols than the daemon, as the status has them. Data alone.

use serde::{Deserialize, Serialize};

/// Requests that the daemon refused since it started, as the program that sent them is of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherVersion {
    /// Who sent them.
    pub sender: Sender,
    /// The version of the latest of them, as it claims.
    pub version: u32,
    /// How many there were.
    pub times: u64,
    /// When the latest came, in seconds since 1970.
    pub last: u64,
}

/// A program that asks the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// Root, at the control socket: the hook or cacheprogctl. Their requests cannot be told apart where the version differs.
    HookOrCommandLine,
    /// The client in a build, or the module proxy.
    Client,
}
