//! The daemon as the cache.

pub(crate) mod circuit_breaker;
pub(crate) mod in_flight;
mod put;
mod replies;
pub(crate) mod session;
mod test_result_jobs;
