//! Whether this process runs in the sandbox of a build with a cache: the path of a build's socket counts only there.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use proto::control::{MOUNT, MOUNTED_CLIENT};

/// The file that runs.
const PROGRAM: &str = "/proc/self/exe";

/// Whether the hook mounted this client and the directory of the build here.
pub(crate) fn is_mounted_here() -> bool {
    is_mounted(Path::new(MOUNT), Path::new(MOUNTED_CLIENT), Path::new(PROGRAM))
}

/// Whether the file that runs is mounted as the client, beside the directory of a build. Mount points alone prove nothing: they
/// may be left over on a machine, and a host has a link (`host_session.rs`). The socket is not looked at: it is missing for a
/// moment when the daemon is restarted.
fn is_mounted(mount: &Path, client: &Path, program: &Path) -> bool {
    mount.is_dir() && !client.is_symlink() && is_same_file(client, program)
}

/// Whether the program at this path, or the target of a link there, is the file that runs.
pub(crate) fn is_this_program(path: &Path) -> bool {
    is_same_file(path, Path::new(PROGRAM))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    file(one).is_some_and(|one| file(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_over_mount_points_are_no_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        let [mount, client, program] = ["gocache", "client", "program"].map(|name| dir.path().join(name));
        let is_sandbox = || is_mounted(&mount, &client, &program);
        fs::create_dir(&mount).unwrap();
        fs::write(&program, "the program").unwrap();
        assert!(!is_sandbox(), "no client");
        fs::write(&client, "").unwrap();
        assert!(!is_sandbox(), "an empty file");
        fs::copy(&program, &client).unwrap();
        assert!(!is_sandbox(), "a copy");
        fs::remove_file(&client).unwrap();
        std::os::unix::fs::symlink(&program, &client).unwrap();
        assert!(!is_sandbox(), "a link, as hosts have it");
        assert!(is_same_file(&client, &program));
        fs::remove_file(&client).unwrap();
        fs::hard_link(&program, &client).unwrap(); // as a mount is: the same device and inode
        assert!(is_sandbox());
        fs::remove_dir(&mount).unwrap();
        assert!(!is_sandbox(), "no build directory");
        assert!(is_this_program(&std::env::current_exe().unwrap()) && !is_this_program(&program));
    }
}
