//! A Go module proxy: files that never change are kept in the machine's cache, all other requests go to the upstream.
//!
//! Where things are, from the go command to the upstream. launch.rs starts a proxy for one build or for the host; server.rs
//! accepts connections, http.rs reads requests and writes responses. resource.rs parses what a request asks for. responder.rs
//! answers it: from the cache (cache.rs), or from a download (download.rs), which all requests for the same file share
//! (`single_flight.rs`). fetch.rs tries the entries of GOPROXY (`goproxy_list.rs`) in turn; upstream.rs asks one of them, with
//! `http_proxies.rs` and netrc.rs. verify.rs checks that a file is whole. proxy.rs is what these parts share. counters.rs counts what
//! they do, and metrics.rs writes it. settings.rs reads the environment, clock.rs the clock.
//!
//! The rules to keep. A go command must end as it would with the user's own GOPROXY. That list stands behind this proxy after
//! a `|`, so every failure here is answered with an error status, and never with a file that is not known to be whole. And
//! nothing is cached before it is checked.

pub mod cli;
pub mod goproxy_list;
pub mod server;
pub mod settings;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod cache;
mod clock;
mod counters;
mod download;
mod download_error;
mod error;
mod fetch;
mod http;
mod http_proxies;
mod launch;
mod limits;
mod metrics;
mod mutex;
mod netrc;
mod proxy;
mod redirect;
mod resource;
mod responder;
mod single_flight;
mod upstream;
mod verify;

pub use error::ProxyError;
pub use proxy::Proxy;
