//! Whether a build has a network: then it may be told what to put, and nothing of it is for others.

use std::path::Path;

use crate::derivation_file::read;
use crate::drv;

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
