//! Trees for tests of conditions: a directory with files, and the setting of a go command in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use store::archive::MadeBy;

use super::{Conditions, MAX_TIME, MadeArchive, Setting};

/// A directory that stands for that of a Nix build.
#[derive(Debug)]
pub(crate) struct TestTree {
    dir: tempfile::TempDir,
}

impl TestTree {
    /// With these files: paths and texts.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        // A directory that is not that for temporary files of the tests themselves: `/tmp` is in texts.
        let tree = Self { dir: tempfile::tempdir().unwrap() };
        files.iter().for_each(|(path, text)| tree.write(path, text));
        tree
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn link(&self, target: impl AsRef<Path>, path: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        drop(fs::remove_file(&path));
        symlink(target, path).unwrap();
    }

    /// Of a go command in `cwd`, in a Nix build whose directory this is, with more variables.
    pub(crate) fn setting(&self, cwd: &str, more: &[(&str, &str)]) -> Setting {
        let top = self.path("");
        let top = top.to_str().unwrap().trim_end_matches('/');
        let own = [("NIX_BUILD_TOP", top), ("outputs", "out"), ("PATH", "/nix/store/none/bin")];
        let kept = own.iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        Setting {
            cwd: self.path(cwd),
            variables: kept.chain(more).map(|(name, value)| (name.into(), value.into())).collect(),
            gocache: Some(self.path("go-cache")),
            gomodcache: Some(self.path("go/pkg/mod")),
            gotmpdir: None,
            gopath: Some(self.path("go").into()),
            goflags: "-trimpath".into(),
            gowork: None,
            goroot: "/nix/store/go/share/go".into(),
            arguments: Some(["go", "build", "./..."].map(Into::into).to_vec()),
            is_clean: true,
            memo: None,
            look_time: MAX_TIME,
            started: Self::later(),
        }
    }

    /// A time after all that a test does.
    pub(crate) fn later() -> SystemTime {
        crate::clock::now() + Duration::from_secs(3600)
    }

    pub(crate) fn conditions(&self, cwd: &str) -> Conditions {
        Conditions::new(self.setting(cwd, &[]))
    }
}

/// An archive with C, of these files.
pub(crate) fn archive(path: &str, files: &[&str]) -> MadeArchive {
    MadeArchive {
        path: path.to_owned(),
        is_std: false,
        made_by: MadeBy::Others,
        files: files.iter().map(|file| (*file).to_owned()).collect(),
    }
}

/// An archive with Go's assembler.
pub(crate) fn assembled(path: &str, files: &[&str]) -> MadeArchive {
    MadeArchive { made_by: MadeBy::CompilerAndAssembler, ..archive(path, files) }
}
