//! Whether files of a module lead out of it: paths in their text. A directory of the module alone is no condition then.
//!
//! [`scan`] finds paths in a text, [`indirect`] those that it does not have as they are, [`token`] reads one, [`mod@reference`] is what is kept of it, and [`Surroundings`] judges where it leads.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod indirect;
mod reference;
mod scan;
mod surroundings;
mod token;

pub(crate) use reference::{Reference, References};
pub(crate) use scan::{FilePlace, Language, Names, Scanner};
pub(crate) use surroundings::{Runs, Surroundings, Verdict, top_directories};
