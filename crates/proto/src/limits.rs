//! Every bound on what a peer may make us hold, read or wait for, with its reason.

use std::time::Duration;

/// Longest header line from cmd/go, in bytes. Real ones are under 250 (ids are 32 bytes: docs/facts/go.md, "Requests"); a longer
/// line is not from cmd/go.
pub const HEADER_LINE: usize = 16 << 10;

/// Largest body of a put, in bytes. The largest objects seen are 40 MB archives; embedded data can make them larger.
pub const BODY: u64 = 4 << 30;

/// Longest log or result of a test that other builds may be given, in bytes: cmd/go reads it into memory.
pub const TEST_BODY: u64 = 256 << 10;

/// Longest list of what a test looked at, in bytes: some thousand paths.
pub const TEST_INPUTS: u64 = 1 << 20;

/// Longest scope of a condition, in bytes: a module's path and version, with room.
pub const SCOPE: usize = 512;

/// Conditions under which one action is kept, the newest ones: a branch or two, and what is edited now.
pub const CONDITIONS: usize = 8;

/// Most bytes of the parts of a condition: some thousand names with hashes.
pub const PARTS: usize = 64 << 10;

/// Actions in one notice of use: a message of 8 KiB.
pub const USED: usize = 256;

/// Offers of a session that the client has not decided yet: several for each processor. A get beyond is a miss.
pub const OFFERS: usize = 256;

/// Longest hello or control line, in bytes: paths of up to 4096 bytes and some names.
pub const HELLO_LINE: usize = 32 << 10;

/// Longest answer to a control request, in bytes: the status of a daemon with a thousand live builds.
pub const CONTROL_ANSWER: usize = 4 << 20;

/// Longest answer to why a build missed, in bytes: a line of a build's log.
pub const WHY: usize = 400;

/// Longest build profile, in bytes: what is beyond is left out, and the profile says how much.
pub const BUILD_PROFILE: u64 = 4 << 20;

/// The year 10000 in seconds since 1970: no later time can be written as RFC 3339.
pub const END_OF_TIME: u64 = 253_402_300_800;

/// How long a new peer may take to say hello, and a peer to go on within a frame.
pub const PEER_TIMEOUT: Duration = Duration::from_secs(10);
