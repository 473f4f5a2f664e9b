//! Limits of requests to a remote engine, each with its reason.

use std::time::Duration;

/// Until a connection is made, with TLS: two round trips of a slow network and a lost packet (1 s until it is sent again).
pub const CONNECT: Duration = Duration::from_secs(3);

/// Until the head of a response is complete. A healthy cluster with one hung node answers late: `OpenStack` Swift 2.38.3 with its own
/// settings (`node_timeout` 10 s) answers gets after 10.0 s and puts after 11.0 s, until ten requests waited for the node. A shorter time
/// would see faults that the engine absorbs. No build waits that long.
pub const FIRST_BYTE: Duration = Duration::from_secs(12);

/// The slowest transfer that is waited for, in bytes a second, over [`PACE_WINDOW`]. At this rate a file of 32 MB takes 8 minutes:
/// compiling again is faster than anything slower.
pub const MIN_BYTES_PER_SECOND: u64 = 64 << 10;

/// The span over which [`MIN_BYTES_PER_SECOND`] counts: as long as [`FIRST_BYTE`], for the same hung node, which a put's body waits for.
pub const PACE_WINDOW: Duration = FIRST_BYTE;

/// What may still lie in the socket's buffer when the last byte of a put was written (the default maximum of `tcp_wmem` on
/// Linux). It adds to the time for the response, at [`MIN_BYTES_PER_SECOND`].
pub const SEND_BUFFER: u64 = 4 << 20;

/// Shortest and longest wait before the one retry: long enough for a restarted server to listen, and spread, so that machines that
/// failed together do not come again together.
pub const RETRY_DELAY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(400));

/// Redirects that are followed for one request: from a general name to a region, and from there to a server.
pub const MAX_REDIRECTS: u32 = 3;

/// Connections that are kept: four parallel ranges fill a network with 50 ms of delay and 1 Gbit/s.
pub const MAX_CONNECTIONS: usize = 4;

/// Longest response head, in bytes. An S3 engine sends fewer than 2 KiB.
pub const MAX_RESPONSE_HEAD: usize = 32 << 10;

/// Most bytes of an error's body that are read: S3's are below 2 KiB, pages of proxies may be longer.
pub const MAX_ERROR_BODY: u64 = 64 << 10;

/// Longest page of a listing, in bytes: 1,000 names of at most 300 bytes, with at most 1 KiB of markup each.
pub const MAX_LISTING: u64 = 2 << 20;

/// Largest object of any kind, in bytes, that of a frame file: also what is skipped at most where a server ignores a range.
pub const MAX_OBJECT: u64 = remote::limits::MOST_FILE;

/// Longest name of an object, in bytes: three hashes, a partition and the slashes fit.
pub const MAX_NAME: usize = 300;

/// Largest file of credentials, in bytes: a session token has up to 4 KiB, and a file may have some profiles.
pub const MAX_CREDENTIALS_FILE: u64 = 64 << 10;

/// Deepest nesting of XML that is read: S3's listing has 4 levels.
pub const MAX_XML_DEPTH: usize = 16;

/// Faults in a row after which no requests are sent for a while: one may be chance, a retry is in each already.
pub const FAULTS_TO_OPEN: u32 = 3;

/// Slow answers in a row after which no requests are sent for a while: more than faults, because an engine that heals itself is slow
/// for some seconds.
pub const SLOW_TO_OPEN: u32 = 5;

/// How long no requests are sent at first, and at most: doubled each time in between.
pub const PAUSE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));

/// The deadlines of one request. The defaults are the constants of this file.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// Until a connection is made.
    pub connect: Duration,
    /// Until the head of a response is complete.
    pub first_byte: Duration,
    /// The span over which the rate of a body counts.
    pub pace_window: Duration,
    /// The slowest rate of a body, in bytes a second.
    pub min_bytes_per_second: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: CONNECT,
            first_byte: FIRST_BYTE,
            pace_window: PACE_WINDOW,
            min_bytes_per_second: MIN_BYTES_PER_SECOND,
        }
    }
}

impl Deadlines {
    /// Until the head of the response to a put of so many bytes.
    pub(crate) fn put_response(&self, size: u64) -> Duration {
        self.first_byte + Duration::from_secs(size.min(SEND_BUFFER) / self.min_bytes_per_second.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_with_a_hung_node_is_waited_for() {
        let (get, put) = (Duration::from_millis(10_010), Duration::from_millis(11_020)); // Swift, of its three nodes one stopped
        let deadlines = Deadlines::default();
        assert!(deadlines.first_byte > get && deadlines.put_response(0) > put && deadlines.pace_window > put);
    }
}
