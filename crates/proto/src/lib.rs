//! The words and the bytes of the project: ids, and the three protocols that carry them.
//!
//! Read in this order: [`id`] (what is talked about), [`gocmd`] (what cmd/go says to a `GOCACHEPROG` program),
//! [`wire`] (what our client says to our daemon), [`control`] (what the hook and the command line say to it),
//! [`profile`] (what one build asked for), [`condition`] (when an entry is another build's too), [`limits`] (how much of
//! anything), [`figures`] (how numbers are written for people).
//!
//! Everything here is pure: generic over readers and writers, no sockets, no files, no clock, no environment.

pub mod condition;
pub mod control;
pub mod error;
pub mod figures;
pub mod gocmd;
pub mod id;
pub mod limits;
pub mod profile;
pub mod wire;

pub use condition::{Condition, Scope};
pub use error::{FrameError, RequestError};
pub use id::{ActionId, BuildId, OutputId, ScopeDigest, SigningKey};
