//! Gets and puts of one session, without sockets: `session_handler.rs` is the session's view of the cache; lookup.rs finds what
//! is known of an action, get.rs answers with it; offers.rs has what was offered under a condition, `offer_decisions.rs` what the client
//! decided about it; put.rs stores, share.rs shares what was put, `compare_outputs.rs` keeps a few hits back to have them computed again.
//! With whom what is shared, `share_policy.rs` decides.

mod compare_outputs;
mod get;
mod lookup;
mod offer_decisions;
mod offers;
mod put;
pub(super) mod session_handler;
mod share;

pub(super) use lookup::Effort;
