//! Whether a piece of work changes the store or only says what it would change.

/// What to do with what is damaged, or has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Count it, no more.
    DryRun,
    /// Remove it: it is built again when it is needed.
    Apply,
}
