//! Names that package os makes for temporary files and directories of tests (`os.MkdirTemp`, `os.CreateTemp`, `t.TempDir`). Pure.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

/// Digits in a row that such a name has: the number in it is a random one below 2^32 (os/tempfile.go `nextRandom`, Go 1.21-1.27). A shorter one is
/// rare.
const DIGITS: usize = 5;

/// Whether a name may have a random number.
pub(super) fn has_random_number(name: &OsStr) -> bool {
    parts(name.as_bytes()).any(is_random)
}

/// A name without its random numbers, if this is what package os made: the modes are those that it gives (os/tempfile.go, Go 1.21-1.27). No result
/// can depend on the number: it is another one each time. What a phase gives such a mode and name counts so too.
pub(super) fn without_random_numbers(name: &OsStr, metadata: &Metadata) -> Vec<u8> {
    let is_made = match metadata.mode() & 0o777 {
        0o700 => metadata.is_dir(),
        0o600 => metadata.is_file(),
        _ => false,
    };
    let name = name.as_bytes();
    if !is_made {
        return name.to_vec();
    }
    // No name has this byte.
    parts(name).map(|part| if is_random(part) { b"/" } else { part }).collect::<Vec<_>>().concat()
}

/// The parts of a name: runs of digits, and what is between them.
fn parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit())
}

fn is_random(part: &[u8]) -> bool {
    let number = str::from_utf8(part).ok().and_then(|part| part.parse::<u32>().ok());
    part.len() >= DIGITS && part[0] != b'0' && number.is_some()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn random_numbers_are_taken_out_of_what_package_os_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::create_dir(&path).unwrap();
        let counted = |name: &str, mode: u32| {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let name = without_random_numbers(OsStr::new(name), &fs::metadata(&path).unwrap());
            String::from_utf8(name).unwrap()
        };
        assert_eq!(counted("TestA58053973", 0o700), "TestA/");
        assert_eq!(counted("caddy-3888363961.d", 0o700), "caddy-/.d");
        assert_eq!(counted("v1-2.4096", 0o700), "v1-2.4096", "too short");
        assert_eq!(counted("data20241125103000", 0o700), "data20241125103000", "too large");
        assert_eq!(counted("x0123456", 0o700), "x0123456", "not as a number is written");
        assert_eq!(counted("data20241125", 0o755), "data20241125", "unpacked");
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(counted("x123456", 0o600), "x/");
        assert_eq!(counted("x123456", 0o700), "x123456", "a program");
        assert!(has_random_number(OsStr::new("x123456")) && !has_random_number(OsStr::new("x1234a5")));
    }
}
