//! Where a go command tests, and which paths there are not inputs of its tests.

use std::path::{Path, PathBuf};

/// The directories of a go command, and its workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct TestContext {
    /// The current directory.
    pub(crate) cwd: PathBuf,
    /// `GOWORK`, if it is set.
    pub(crate) gowork: Option<PathBuf>,
    /// Directories for temporary files.
    pub(crate) temporary: Vec<PathBuf>,
    /// Caches of the go command.
    pub(crate) caches: Vec<PathBuf>,
}

impl TestContext {
    /// The root of the main module; `None` in a workspace, which may have several.
    pub(crate) fn module(&self) -> Option<PathBuf> {
        let root = self.cwd.ancestors().find(|dir| dir.join("go.mod").is_file())?;
        let is_single = match &self.gowork {
            Some(gowork) => gowork.as_os_str() == "off",
            None => !self.cwd.ancestors().any(|dir| dir.join("go.work").exists()),
        };
        is_single.then(|| root.to_owned())
    }

    /// Directories that do not belong to the module, even if they are inside of it.
    pub(crate) fn excluded(&self) -> Vec<PathBuf> {
        self.temporary.iter().chain(&self.caches).cloned().collect()
    }

    /// Whether a path is a temporary directory itself, or is inside of one that a go command made there for itself.
    pub(crate) fn is_temporary(&self, path: &Path) -> bool {
        self.temporary.iter().any(|dir| {
            let Ok(below) = path.strip_prefix(dir) else { return false };
            let Some(first) = below.components().next() else { return true };
            let number = first.as_os_str().to_str().and_then(|name| name.strip_prefix("go-build"));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
    }
}
