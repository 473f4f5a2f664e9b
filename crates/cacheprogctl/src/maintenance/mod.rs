//! Work on a store, beside a daemon or without one: gc, verify, purge. And check, for a settings file.

pub(crate) mod check;
pub(crate) mod export;
pub(crate) mod gc;
pub(crate) mod purge;
pub(crate) mod verify;
