//! Damage to what a store holds, as a power cut or a failing disk leaves it.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::daemon::Daemon;
use crate::session::output;

/// Replaces the bytes of an object by zeros, under the same size and times.
pub fn lose_bytes(daemon: &Daemon, body: &[u8]) {
    let path = daemon.state_dir().join(store::Store::object_name(&output(body)));
    let times = std::fs::metadata(&path).unwrap().modified().unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&path, vec![0; body.len()]).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(times).unwrap();
}
