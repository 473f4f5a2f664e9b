//! What tests of several crates need: a daemon as a process, a client's side of a session, and questions to the daemon's sockets.
//!
//! daemon.rs starts and stops a daemon on a temporary state directory; session.rs speaks the protocol of builds; ask.rs asks at the
//! status socket and over HTTP; damage.rs damages what a store holds; table.rs makes a build with a table; seeds.rs has the seeds of the fuzz targets.
//!
//! Only tests use this crate. No program links it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: what fails here fails a test")]

mod ask;
mod daemon;
mod damage;
mod seeds;
mod session;
mod table;

pub use ask::{ask_status_socket, http, profile};
pub use daemon::{Daemon, copy_program, program};
pub use damage::lose_bytes;
pub use seeds::check_seeds;
pub use session::{Session, action, content, output};
pub use table::build_with_table;
