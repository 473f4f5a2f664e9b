//! What a store of `cacheprog-client` knows by itself, without a daemon: `status --store` and `why --store`.
//!
//! status.rs is what is in it and what it gave, why.rs what the latest go commands missed, figures.rs the rows of both (pure), access.rs what
//! keeps the client from using it. The store
//! crate reads what was noted there (store: `go_commands.rs`).

mod access;
mod figures;
pub(crate) mod status;
pub(crate) mod why;
