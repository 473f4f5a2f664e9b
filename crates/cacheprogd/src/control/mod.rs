//! What is asked at the sockets that the daemon starts with: requests.rs answers at the control socket (the hook registers
//! builds, the command line asks) and at the status socket for everyone; `host_session.rs` at the host's socket; register.rs is
//! what both do with a registration; status.rs makes the status, and hides from everyone what leads to a live build; message.rs
//! reads and writes one request and one answer.
//!
//! Gets and puts are not here: session/ has them.

pub(crate) mod host_session;
mod message;
mod register;
pub(crate) mod requests;
pub(crate) mod status;
