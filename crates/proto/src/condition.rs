//! The condition under which an entry is true for another build, where Go's key does not cover all that went into it: a scope
//! (the part of the sources and of the machine that counts) and a digest of what that holds.

use crate::{ScopeDigest, limits};

/// What a digest is over: `std`, a module, a whole tree. A text of 1 to [`limits::SCOPE`] bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(Box<str>);

impl Scope {
    /// The scope that is written so.
    ///
    /// # Errors
    /// [`InvalidScope`] where the text is empty, too long, or has a control character.
    pub fn new(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() || text.len() > limits::SCOPE || text.chars().any(char::is_control) {
            return Err(InvalidScope);
        }
        Ok(Self(text.into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
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
}
