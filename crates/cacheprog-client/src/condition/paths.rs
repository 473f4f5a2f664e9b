//! Paths by their text, and by what they lead to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// The real path, as far as there is something.
pub(crate) fn real(path: &Path) -> PathBuf {
    let known = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    let Some((above, real)) = known else { return path.to_owned() };
    match path.strip_prefix(above) {
        Ok(below) if below != Path::new("") => real.join(below),
        _ => real,
    }
}

/// `path` seen from the directory `dir`, by text. `None` where `..` follows a name: it may lead elsewhere, by way of a link.
pub(crate) fn from_dir(dir: &Path, path: &Path) -> Option<PathBuf> {
    let mut result = dir.to_owned();
    let mut has_name = false;
    for component in path.components() {
        match component {
            Component::RootDir => result = "/".into(),
            Component::Normal(name) => {
                has_name = true;
                result.push(name);
            }
            Component::ParentDir if has_name => return None,
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Some(result)
}

/// The directories of the machine: compilers, libraries and headers of the system, devices. What is there is not part of any tree.
const OF_SYSTEM: [&str; 14] = [
    "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/etc", "/opt", "/proc", "/sys", "/dev", "/run",
    "/nix/var",
];

/// Where programs write to memory beside devices: a path below it may go on in another text.
pub(crate) const DEVICES: &str = "/dev";

/// A directory of temporary files among devices (`shm_overview(7)`).
pub(crate) const SHARED_MEMORY: &str = "/dev/shm";

/// Whether a path is the system's.
pub(crate) fn is_of_system(path: &Path) -> bool {
    // Builds may write to memory there.
    OF_SYSTEM.iter().any(|dir| path.starts_with(dir)) && !path.starts_with(SHARED_MEMORY)
}

/// Whether it leads to a file that can be run.
pub(super) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The Nix store.
pub(crate) const STORE: &str = "/nix/store";

/// Whether a path is in an immutable object of the Nix store, given those that are written now.
pub(crate) fn is_in_store(path: &Path, own_outputs: &[PathBuf]) -> bool {
    let is_below = |dir: &Path| path.starts_with(dir) && path != dir;
    is_below(Path::new(STORE)) && !own_outputs.iter().any(|own| path.starts_with(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_by_text_where_that_is_certain() {
        let from = |path: &str| from_dir(Path::new("/a/b"), Path::new(path));
        assert_eq!(from("../c/./d"), Some("/a/c/d".into()));
        assert_eq!(from("/x/y"), Some("/x/y".into()));
        assert_eq!(from("c/../d"), None);
        assert_eq!(from("../../../../x"), Some("/x".into()));
    }

    #[test]
    fn own_outputs_are_no_immutable_objects() {
        let own = [PathBuf::from("/nix/store/own")];
        assert!(is_in_store(Path::new("/nix/store/other/x"), &own));
        assert!(!is_in_store(Path::new("/nix/store/own/x"), &own));
        assert!(!is_in_store(Path::new("/nix/store"), &own));
        assert!(!is_in_store(Path::new("/build"), &own));
    }
}
