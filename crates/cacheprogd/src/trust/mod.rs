//! Who may write what others read. [`policy`] decides it once, when a build is registered; nothing in the build has a say in it.

mod policy;

pub(crate) use policy::{Policy, Writes};
