//! Limits of what is read from a remote store and written to it, with their reasons.

/// Bytes of a frame before compression that a writer fills with small outputs: compression gains little beyond, and a reader holds a
/// frame in memory.
pub const FRAME: usize = 4 << 20;

/// Bytes of the largest output that goes to a remote store. It has a frame of its own. Archives of Go packages have up to 14 MB.
pub const OUTPUT: u64 = 64 << 20;

/// Bytes of a frame file at which a writer begins the next one: few requests, and a file that can be fetched again when it breaks off.
pub const FILE: usize = 32 << 20;

/// Bytes of the largest frame file that is read: one that was nearly full, and one more frame.
pub const MOST_FILE: u64 = FILE as u64 + OUTPUT + (1 << 20);

/// Bytes of the largest index. One of Caddy has 0.2 MB.
pub const INDEX: usize = 16 << 20;

/// Bytes of the largest head.
pub const HEAD: usize = 4 << 10;

/// Bytes of a build's name, and of a key's.
pub const NAME: usize = 255;

/// Entries of an index of Go's own packages: those that were used last. One form of all of them has some 600 with their indexes, and a build on a
/// fresh machine whose name has nothing fetches them all.
pub const STD_ENTRIES: usize = 4096;

/// Frame files that an index refers to. With more, all is written once more (`write_plan.rs`).
pub const FILES: usize = 64;

/// Frame files of fewer bytes are small: an edit of Caddy adds one of 8.3 MB.
pub const SMALL_FILE: u64 = 8 << 20;

/// Small files of an index whose outputs are packed once more, into one: a fresh machine makes a request for each file.
pub const SMALL_FILES: usize = 4;

/// Parts of a hundred of what an index refers to that have to be in use. With fewer, all is written once more.
pub const USED_PERCENT: u64 = 50;

/// Bytes of one request: what breaks off is asked for again from there on.
pub const FETCH: u64 = 16 << 20;

/// Bytes that are fetched although they are not needed, to have one request in the place of two: at 1 Gbit/s they take 4 ms, and a
/// request takes a round trip.
pub const GAP: u64 = 512 << 10;
