//! The files of a scope: by content when they are read first, by their stamps after that.
//!
//! [`rule`] says which files count, [`walk`] reads them, [`list`] is what was read, and tells whether it is still so; [`memo`] keeps it for
//! a later go command.

mod list;
mod memo;
mod read;
mod rule;
mod symlink;
mod walk;

pub(crate) use list::FileList;
pub(crate) use memo::Memo;
pub(crate) use rule::Rule;
pub(crate) use walk::{LookedAt, Looking, read_list};
