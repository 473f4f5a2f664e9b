//! The client as a process: these tests are cmd/go on its one side and, where there is one, the daemon on the other.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests play the parts of cmd/go and of a broken daemon")]

mod embedded; // with an embedded store
mod fake_go; // cmd/go's side
mod fallback; // a daemon that is absent, silent, slow, of another version or dies
mod figures; // what the embedded store notes of a go command
mod layers; // layers below the embedded store
mod scripted_daemon; // a daemon that misbehaves as it is told
mod sharing; // who else may use what was put
mod table; // a build's blinded table
mod test_results; // results of tests

use std::thread::sleep;
use std::time::Duration;

use proto::OutputId;
use sha2::{Digest, Sha256};

fn output(body: &[u8]) -> OutputId {
    OutputId(Sha256::digest(body).into())
}

/// Whether it becomes so within five seconds: what another process or thread does comes a moment later.
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    (0..500).any(|_| {
        let is_so = is_so();
        if !is_so {
            sleep(Duration::from_millis(10));
        }
        is_so
    })
}
