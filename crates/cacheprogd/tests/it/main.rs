//! Tests of the daemon as a process, over its sockets. Each test has a daemon of its own.
//!
//! What a test needs of a daemon and of a client is in the crate testkit. The command line is tested in cacheprogctl.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "tests do what Nix, clients and attackers do")]

mod connection_limits; // many, slow and silent connections
mod counts; // what is counted of a build, and what the log has of it
mod eviction; // the size limit
mod gets_and_puts; // what each build is served of what others put
mod host_session; // go commands outside of sandboxes
mod hostile_client; // garbage, floods and claims of a build
mod layers; // layers below the store
mod lifecycle; // start, restart, stop
mod offers; // outputs that are served under a condition
mod remote; // a store that machines share
mod sharing; // what is put privately and shared afterwards
mod slow_gets; // an object that must be verified before it is served
mod status_and_http; // the status socket, the metrics and the page
mod trust; // who may write what others read
mod unprivileged_profiles; // profiles that unprivileged users cause
mod verification; // what is computed again and compared
mod verification_attacks; // what code in a writer's own build tries against that
