//! A Go module proxy: what may be kept is kept in the machine's cache, everything else is handed on.
//!
//! Where things are, from the go command to the upstream: attach.rs puts a proxy beside a build; server.rs accepts, http.rs
//! speaks; path.rs says what a request means; answer.rs decides where its answer comes from: the cache (cache.rs, with
//! daemon.rs or an embedded store behind it), or a download (fetch.rs, which all who ask for the same file share by way of
//! flight.rs). verify.rs, archive.rs and gosum.rs say what is whole. list.rs reads GOPROXY; upstream.rs asks one of its entries, with
//! route.rs for HTTP proxies and netrc.rs for passwords. key.rs names what is kept, upkeep.rs
//! keeps a store of our own within its limits. settings.rs reads the environment,
//! clock.rs the clock.
//!
//! The rules to keep. Whatever happens here, the go command must end as it would have with the user's own GOPROXY: that list
//! stands behind this proxy after a `|`, so any failure is answered with an error, and never with something that is not
//! known to be whole. And nothing is kept that was not checked.

pub mod cli;
pub mod list;
pub mod server;
pub mod settings;

mod answer;
mod archive;
mod attach;
mod cache;
mod clock;
mod daemon;
mod download;
mod error;
mod fetch;
mod flight;
mod gosum;
mod http;
mod key;
mod netrc;
mod path;
mod route;
mod sync;
mod upkeep;
mod upstream;
mod verify;

pub use answer::Proxy;
pub use error::ProxyError;
