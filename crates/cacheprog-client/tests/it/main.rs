//! The client as a process: these tests play cmd/go on one side and, where there is one, the daemon on the other.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of cmd/go and of a daemon in trouble")]

mod embedded; // with a store of its own
mod fake_go; // cmd/go's side
mod fallback; // a daemon that is absent, silent, slow, of another version or dies
mod scripted_daemon; // a daemon to script
mod test_results; // results of tests
mod transparent; // where no setup hook went before

use proto::OutputId;
use sha2::{Digest, Sha256};

fn output(body: &[u8]) -> OutputId {
    OutputId(Sha256::digest(body).into())
}
