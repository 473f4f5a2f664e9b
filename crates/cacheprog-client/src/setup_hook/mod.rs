//! What the setup hook evaluates.

pub(crate) mod phases;
pub(crate) mod summary;
