//! Which module a package belongs to, and where the module's files are.
//!
//! [`go_mod`] and [`modules_txt`] read Go's files, [`flags`] what the command line says about them, [`graph`] puts them together, and
//! [`package`] finds the directory of a compiled package. All give nothing where something is not as expected: a wrong directory would
//! be a wrong condition.

mod flags;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod go_mod;
mod graph;
mod modules_txt;
mod package;

pub(crate) use graph::{Modules, current_dir, go_work};
pub(crate) use package::{Package, locate};
