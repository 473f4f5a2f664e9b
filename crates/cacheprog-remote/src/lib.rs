//! The engines of the remote tier: objects by name at an S3 engine or at an HTTP server. The process with this code is the only one
//! that has network and credentials; it knows nothing of what the objects mean, and is trusted with nothing: the daemon checks
//! signatures and hashes.
//!
//! `Engine` (engine.rs, and the folder with the same name) sends requests. Where to is read by crate remote (url.rs), with which rights by credentials.rs.
//! breaker.rs decides when an engine is left alone for a while, counters.rs counts; both are pure.
//! limits.rs has all limits with their reasons. secret.rs hides what must not be printed.
//!
//! Without a daemon, `cli/local.rs` does what it would do: it brings a user's own store what trusted keys signed, and puts what it has
//! (crate `remote_sync`), and `cli/status.rs` tells of both. `cli/gc.rs` removes what is old. For a daemon `cli/serve.rs` gives it objects. names.rs names the builds, cli.rs has the commands.

pub mod breaker;
pub mod cli;
pub mod counters;
pub mod credentials;
pub mod engine;
pub mod limits;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod clock;
mod engine_objects;
mod mutex;
mod names;
mod object_name;
mod secret;

pub use engine::{Engine, EngineError, EngineSettings};
pub use object_name::{NameError, ObjectName};
pub use secret::Secret;
