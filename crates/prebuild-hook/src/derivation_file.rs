//! The derivation of a build as a file, and whether the build has a network.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::drv;

/// Bytes of a derivation that are read. Those of Go packages have about 5,000; only whole systems exceed a million.
const MAX_DERIVATION_SIZE: u64 = 4 << 20;

/// Whether the build is known to have no network: by Nix' `/etc/hosts`, or by its derivation.
///
/// Nix writes that file into the chroot of each such build before it runs the hook, also where there is no .drv
/// (nix/src/libstore/build/local-derivation-goal.cc `startBuilder`, Nix 2.8-2.28; unix/build/chroot.cc, Nix 2.35). Without a chroot
/// there is no sandbox, which might keep the network away.
pub(crate) fn is_offline(path: &Path, chroot: Option<&Path>) -> bool {
    let Some(root) = chroot else { return false };
    let derivation = || drv::parse(&read(path, chroot).ok()?);
    root.join("etc/hosts").is_file() || derivation().is_some_and(|derivation| !derivation.has_network)
}

/// The bytes of a derivation, the first ones of a large one.
///
/// # Errors
/// Where it is not there: Nix sends none to most remote builders.
pub(crate) fn read(path: &Path, chroot: Option<&Path>) -> io::Result<Vec<u8>> {
    let read = |path: &Path| {
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_DERIVATION_SIZE).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read(path).or_else(|e| path_beside_chroot(chroot).map_or(Err(e), |real| read(&real)))
}

/// With a diverted store (`--store /tmp/x`) the derivation is not at its path, but beside its chroot:
/// `….drv.chroot[/root]` (docs/facts/nix.md, "How the hook is called").
fn path_beside_chroot(chroot: Option<&Path>) -> Option<PathBuf> {
    let chroot = chroot?.to_str()?;
    let chroot = chroot.strip_suffix("/root").unwrap_or(chroot);
    chroot.strip_suffix(".chroot").map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_offline_if_its_derivation_or_its_chroot_shows_it() {
        let dir = tempfile::tempdir().unwrap();
        let (path, chroot) = (dir.path().join("0-x-1.drv"), dir.path().join("root"));
        let plain = r#"Derive([("out","/o","","")],[],[],"x86_64-linux","/bin/sh",[],[])"#.to_owned();
        let outputs = |outputs: &str| plain.replace(r#"[("out","/o","","")]"#, outputs);
        for (text, expected) in [
            (plain.clone(), true),
            (outputs(r#"[("out","","r:sha256","")]"#), true),
            (outputs(r#"[("out","/o","r:sha256","00ff")]"#), false),
            (outputs(r#"[("dev","/d","",""),("out","","r:sha256","impure")]"#), false),
            ("not one".to_owned(), false),
        ] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(is_offline(&path, Some(&chroot)), expected, "{text}");
            assert!(!is_offline(&path, None));
        }
        std::fs::remove_file(&path).unwrap();
        assert!(!is_offline(&path, Some(&chroot)));
        std::fs::create_dir_all(chroot.join("etc")).unwrap();
        std::fs::write(chroot.join("etc/hosts"), "").unwrap();
        assert!(is_offline(&path, Some(&chroot)));
    }
}
