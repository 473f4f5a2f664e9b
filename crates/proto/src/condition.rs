//! The condition under which an entry is true for another build, where Go's key does not cover all that went into it: a scope
//! (the part of the sources and of the machine that counts) and a digest of what that holds.
//!
//! The client makes both (its folder condition/ says of what); the daemon compares texts.

use std::borrow::Cow;
use std::fmt;

use crate::{ScopeDigest, limits};

/// What a digest is over: `std`, a module, a whole tree ([`scopes`]). A text of 1 to [`limits::SCOPE`] bytes without control
/// characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Cow<'static, str>);

/// The scopes that name no module. docs/explanation/soundness.md says what each is over.
pub mod scopes {
    use std::borrow::Cow;

    use super::Scope;

    /// Variables and programs; no file.
    pub const STD: Scope = fixed("std");
    /// The toolchain's files that are no Go sources, where they may change: for what Go's assembler made of Go's own packages.
    pub const ASM_STD: Scope = fixed("std asm");
    /// The files of the whole tree that are no Go sources, variables and programs.
    pub const TREE: Scope = fixed("tree");
    /// All files of the tree, variables, programs and the command line: for go commands that are not clean.
    pub const TREE_WITH_GO: Scope = fixed("tree with Go");
    /// The files of the tree that vet may report as ignored: for vet's facts, which are given out only beside their
    /// [`VET_OUTPUT`].
    pub const VET: Scope = fixed("vet");
    /// The same, for the text that vet printed when it put its facts.
    pub const VET_OUTPUT: Scope = fixed("vet output");
    /// The same, for facts that stand alone (Go 1.21 to 1.25).
    pub const FACTS: Scope = fixed("facts");
    /// One GOCACHE: never given to another build.
    pub const PRIVATE: Scope = fixed("private");

    const fn fixed(text: &'static str) -> Scope {
        Scope(Cow::Borrowed(text))
    }
}

const MODULE: &str = "module ";
const ASM: &str = "asm ";

impl Scope {
    /// The scope that is written so.
    ///
    /// # Errors
    /// [`InvalidScope`] where the text is empty, too long, or has a control character.
    pub fn new(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() || text.len() > limits::SCOPE || text.chars().any(char::is_control) {
            return Err(InvalidScope);
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    /// The files of a module that are no Go sources, with variables and programs. No version: it is what the tree has of it.
    ///
    /// # Errors
    /// [`InvalidScope`] where path and version are no such text.
    pub fn module(path: &str, version: Option<&str>) -> Result<Self, InvalidScope> {
        Self::of_module(MODULE, path, version)
    }

    /// The same files without variables and programs, for Go's assembler.
    ///
    /// # Errors
    /// [`InvalidScope`] where path and version are no such text.
    pub fn asm(path: &str, version: Option<&str>) -> Result<Self, InvalidScope> {
        Self::of_module(ASM, path, version)
    }

    fn of_module(kind: &str, path: &str, version: Option<&str>) -> Result<Self, InvalidScope> {
        if path.is_empty() || path.contains('@') {
            return Err(InvalidScope);
        }
        match version {
            None => Self::new(&format!("{kind}{path}")),
            Some(version) => Self::new(&format!("{kind}{path}@{version}")),
        }
    }

    /// The path and the version of the module of [`Scope::module`] or [`Scope::asm`].
    #[must_use]
    pub fn module_and_version(&self) -> Option<(&str, Option<&str>)> {
        let module = self.0.strip_prefix(MODULE).or_else(|| self.0.strip_prefix(ASM))?;
        Some(module.split_once('@').map_or((module, None), |(path, version)| (path, Some(version))))
    }

    /// Whether it is one of [`Scope::asm`], or [`scopes::ASM_STD`].
    #[must_use]
    pub fn is_asm(&self) -> bool {
        self.0.starts_with(ASM) || *self == scopes::ASM_STD
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scope is 1 to {} bytes of text without control characters", limits::SCOPE)]
pub struct InvalidScope;

/// When an entry may be used by another build: when this scope has this digest there too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Condition {
    /// What counts.
    pub scope: Scope,
    /// What it held when the entry was made.
    pub digest: ScopeDigest,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_a_short_text_of_one_line() {
        for text in ["std", "module example.org/m@v1.2.3", &"x".repeat(limits::SCOPE), "é"] {
            assert_eq!(Scope::new(text).unwrap().as_str(), text);
        }
        for text in ["", "a\tb", "a\nb", "\u{7f}", "a\u{85}", &"x".repeat(limits::SCOPE + 1)] {
            assert_eq!(Scope::new(text), Err(InvalidScope), "{text:?}");
        }
    }

    #[test]
    fn a_module_is_read_back_with_its_version() {
        for version in [None, Some("v1.2.3+incompatible"), Some("")] {
            let (module, asm) = (Scope::module("a.b/c", version).unwrap(), Scope::asm("a.b/c", version).unwrap());
            assert_eq!(module.module_and_version(), Some(("a.b/c", version)));
            assert_eq!(asm.module_and_version(), Some(("a.b/c", version)));
            assert!(asm.is_asm() && !module.is_asm());
            assert_eq!(Scope::new(module.as_str()), Ok(module));
        }
        assert_eq!(Scope::module("a@b", None), Err(InvalidScope));
        assert_eq!(Scope::asm("", None), Err(InvalidScope));
        assert_eq!(scopes::TREE_WITH_GO.module_and_version(), None);
        assert_eq!(Scope::new("std"), Ok(scopes::STD));
    }
}
