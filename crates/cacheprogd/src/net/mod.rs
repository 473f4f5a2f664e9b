//! Sockets and the connections they accept, whatever they are for: bind.rs binds a socket at a path, again after a restart;
//! listeners.rs has those that a daemon starts with (control, status, host); `inherited_fds.rs` takes systemd's, the only
//! `unsafe`; `peer_credentials.rs` has the peer's credentials; connections.rs serves connections in threads and
//! `connection_table.rs` decides who gets one (pure); deadline.rs bounds how long a peer may take; `accept_pause.rs` waits after
//! accepting failed.
//!
//! What is asked over a connection is not read here: control/, session/ and http/ do that.

pub(crate) mod accept_pause;
pub(crate) mod bind;
pub(crate) mod connection_table;
pub(crate) mod connections;
pub(crate) mod deadline;
pub(crate) mod inherited_fds;
pub(crate) mod listeners;
pub(crate) mod peer_credentials;
