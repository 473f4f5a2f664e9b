//! Keys in files.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use remote::keys::SecretKey;

use super::failure::{Failure, print};

/// The variable with a secret key, for CI systems.
const VARIABLE: &str = "NIX_GOCACHEPROG_REMOTE_SECRET_KEY";

/// Makes a key: the secret one in a new file that its owner alone can read.
pub(super) fn make(name: &str, file: &Path) -> Result<(), Failure> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    let key = SecretKey::from_seed(name, &seed)?;
    let in_file = |e| format!("{}: {e}", file.display());
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(in_file)?;
    writeln!(out, "{}", key.text(&seed)).and_then(|()| out.sync_all()).map_err(in_file)?;
    print(&key.public().to_string())
}

/// The secret key in this file, or in the variable.
pub(super) fn read(file: Option<&Path>) -> Result<SecretKey, Failure> {
    let Some(file) = file else {
        #[expect(clippy::disallowed_methods, reason = "this is where the key of a CI job is read")]
        let value = std::env::var(VARIABLE).ok().filter(|value| !value.is_empty());
        let missing = || format!("no key to sign with: name its file by --secret-key-file, or set {VARIABLE}");
        return value.ok_or_else(missing)?.parse().map_err(|e| format!("{VARIABLE}: {e}").into());
    };
    let in_file = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let mode = fs::metadata(file).map_err(|e| in_file(&e))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(in_file(&"others can read this secret key: chmod 600 it").into());
    }
    let text = fs::read_to_string(file).map_err(|e| in_file(&e))?;
    text.parse().map_err(|e| in_file(&e).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        make("ci-1", &file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let key = read(Some(&file)).unwrap();
        assert!(make("ci-1", &file).unwrap_err().to_string().contains("exists"), "another key is not lost");
        assert_eq!(read(Some(&file)).unwrap().public(), key.public());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(Some(&file)).unwrap_err().to_string().ends_with("chmod 600 it"));
        assert!(read(None).unwrap_err().to_string().starts_with("no key to sign with"));
    }
}
