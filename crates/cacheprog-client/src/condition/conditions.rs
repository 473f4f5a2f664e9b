//! The conditions of one go command: which scope an archive has, and what a scope holds now.

use proto::{Scope, ScopeDigest};

use super::made_archive::MadeArchive;
use super::setting::Setting;

/// Scopes and their digests. It belongs to one thread, which may wait for files.
#[derive(Debug)]
pub(crate) struct Conditions {
    setting: Setting,
}

impl Conditions {
    /// To be called before the go command is answered for the first time: it notes which names there are in the build's directory.
    pub(crate) fn new(setting: Setting) -> Self {
        Self { setting }
    }

    /// The scope of an archive that Go's key does not cover. `None`: no condition, it stays private.
    pub(crate) fn scope_of(&mut self, _made: &MadeArchive) -> Option<Scope> {
        None
    }

    /// What a scope holds now. `None` where that cannot be told.
    pub(crate) fn digest(&mut self, _scope: &Scope) -> Option<ScopeDigest> {
        let _ = &self.setting;
        None
    }

    /// What a scope holds now, if nothing in it changed since the go command began.
    pub(crate) fn digest_unchanged(&mut self, _scope: &Scope) -> Option<ScopeDigest> {
        None
    }

    /// The parts of the scope's digest, as `proto::parts` writes them. `None` before there is a digest.
    pub(crate) fn parts(&mut self, _scope: &Scope) -> Option<Vec<u8>> {
        None
    }

    /// The next digest looks at the files again.
    pub(crate) fn forget_looks(&mut self) {}
}
