//! The client as a process: these tests play cmd/go on one side and, where there is one, the daemon on the other.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of cmd/go and of a daemon in trouble")]

mod alone; // with a store of its own
mod daemon; // a daemon to script
mod fallback; // a daemon that is absent, silent, slow, of another version or dies
mod go; // cmd/go's side
mod results; // results of tests
mod transparent; // where no setup hook went before

use proto::OutputId;
use sha2::{Digest, Sha256};

fn output(body: &[u8]) -> OutputId {
    OutputId(Sha256::digest(body).into())
}
