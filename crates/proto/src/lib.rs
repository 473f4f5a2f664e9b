//! The words and the bytes of the project: ids, and the three protocols that carry them.
//!
//! Read in this order: [`id`] and [`output`] (what is named), [`gocmd`] (what cmd/go and a `GOCACHEPROG` program say to each other),
//! [`wire`] (what our client and our daemon say to each other), [`control`] (what the hook and the command line ask the daemon),
//! [`profile`] (what one build asked for), [`condition`] (when an entry is true for another build), [`parts`] (what a condition is
//! made of, by name), [`blinded_table`] (answers that a build finds by itself), [`limits`] (how much of anything), [`figures`] (how numbers are written for people),
//! [`finding`] (what was found of one thing, and what a status tells), [`other_version`] (programs that do not fit together).
//!
//! Everything here is pure: generic over readers and writers, no sockets, no files, no clock, no environment.

pub mod blinded_table;
pub mod condition;
pub mod control;
pub mod counts;
pub mod error;
pub mod figures;
pub mod finding;
pub mod gocmd;
pub mod id;
pub mod limits;
pub mod other_version;
pub mod output;
pub mod parts;
pub mod profile;
pub mod verification;
pub mod wire;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

pub use condition::{Condition, Scope, scopes};
pub use error::{FrameError, RequestError};
pub use id::{ActionId, BuildId, OutputId, ScopeDigest, SigningKey};
pub use output::Output;
