//! The daemon's limits in one table: how many, how large and how long, each with its reason.
//!
//! The protocol's limits are in proto (limits.rs), and the store's in store. What users may set (sizes and ages of what is kept) is
//! in the settings file and not here. Every queue, table and wait of the daemon has its bound in this file.

use std::time::Duration;

// Connections: net/connections.rs counts them, net/connection_table.rs decides which one is refused or closed.

/// Connections of all builds in sandboxes. Real builds stay far below, so that each may have its own maximum; the fuller the table,
/// the smaller is the share of each.
pub(crate) const BUILD_CONNECTIONS: usize = 1024;
/// Connections of one build. The most that was seen of a build is 64 go commands at once.
pub(crate) const CONNECTIONS_PER_BUILD: usize = 256;

/// Connections of sessions outside of sandboxes, which any user may open. They are counted apart from those of builds.
pub(crate) const HOST_CONNECTIONS: usize = 512;
/// Connections of one user's sessions outside of sandboxes.
pub(crate) const HOST_CONNECTIONS_PER_USER: usize = 256;

// Of each of the three sockets below, which several users can reach, one user has at most half of the connections: the rest is left
// for other users.

/// Connections to the control socket, counted apart so that no build can keep the hook out.
pub(crate) const CONTROL_CONNECTIONS: usize = 128;
/// Connections to the host's socket.
pub(crate) const HOST_SOCKET_CONNECTIONS: usize = 128;
/// Connections to the status socket, which is open to every user.
pub(crate) const STATUS_CONNECTIONS: usize = 32;
/// HTTP connections, each a thread. A scrape or a page needs one for a moment. Beyond these the one that was silent for longest is
/// closed.
pub(crate) const HTTP_CONNECTIONS: usize = 8;

/// Threads of connections that were closed for others and have not ended yet. Their peers had no request under way, so that they
/// end at once.
pub(crate) const CLOSING_CONNECTIONS: usize = 64;

/// Connections accepted from one socket before the other sockets have their turn.
pub(crate) const ACCEPTS_PER_TURN: usize = 32;

/// Descriptors taken from one peer of the control socket: the two that a registration may have. The others are closed.
pub(crate) const CONTROL_DESCRIPTORS: usize = 2;

/// The stack of a connection's thread, which has its buffers on the heap.
pub(crate) const CONNECTION_STACK: usize = 512 << 10;

// Waits of the loop.

/// How often the loop looks at builds and at the store where no socket is ready: how late the end of a build is noticed.
pub(crate) const LOOP_INTERVAL: Duration = Duration::from_secs(1);

/// How long no connection is accepted after accepting failed: without descriptors a listener stays ready, whatever is done.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often the log has a line about a failure that each connection may cause.
pub(crate) const WARN_INTERVAL: Duration = Duration::from_secs(60);

/// How long a stopping daemon waits for requests under way.
pub(crate) const LAST_REQUESTS_WAIT: Duration = Duration::from_secs(3);

/// How long a stopping daemon waits for the disk. After that its shutdown is unclean.
pub(crate) const LAST_SYNC_WAIT: Duration = Duration::from_secs(5);

/// How long an HTTP peer may take for its request, and for our response.
pub(crate) const HTTP_WAIT: Duration = Duration::from_secs(10);

// Builds.

/// Live builds. Each has one to three descriptors, and no machine runs a tenth of this number.
pub(crate) const LIVE_BUILDS: usize = 2000;
/// Live sessions outside of sandboxes, of all users. They cannot take the room of builds.
pub(crate) const HOST_SESSIONS: usize = 256;
/// Live sessions outside of sandboxes, of one user.
pub(crate) const HOST_SESSIONS_PER_USER: usize = 64;

/// Nix mounts a build's directory after the hook has answered, and a source that is missing by then ends the user's whole
/// `nix build`: a build lives for this long, whatever is known of it.
pub(crate) const BUILD_MIN_LIFE: Duration = Duration::from_secs(60);

/// A build whose Nix process has exited is over after this time without a session.
pub(crate) const IDLE_ABANDONED: Duration = Duration::from_secs(10);
/// A build of which nothing can be seen is over after this time without a session.
pub(crate) const IDLE_UNKNOWN: Duration = Duration::from_secs(6 * 3600);
/// A build whose chroot is still there is over after this time without a session: a Nix that was killed left the chroot behind.
pub(crate) const IDLE_RUNNING: Duration = Duration::from_secs(7 * 24 * 3600);

/// Actions, and outputs, of one build that are remembered as counted: some ten bytes each, and more than a build asks for. Those
/// beyond count as counted before: figures are then too low, and never too high.
pub(crate) const COUNTED_IDS: usize = 32 << 10;

/// Characters of a build's name: Nix allows no longer name of a derivation.
pub(crate) const NAME_CHARACTERS: usize = 211;

/// Lines that one build may cause in the log.
pub(crate) const WARNINGS_PER_BUILD: u64 = 10;

/// Bytes in blocks that one build may put. A build of Kubernetes, the largest that was seen, puts some ten GiB.
pub(crate) const BYTES_PER_BUILD: u64 = 32 << 30;
/// Files that one build may put. A build of Kubernetes makes some 100,000, and an ext4 of 100 GiB has 6.5 million inodes. One of
/// 4 KiB each would be 4 GiB.
pub(crate) const FILES_PER_BUILD: u64 = 1 << 20;

// Sessions.

/// Bytes that are read from a session's socket at a time, unless a body is read past the buffer.
pub(crate) const SESSION_BUFFER: usize = 32 << 10;

/// A reply that took so long is sent at once, with the replies before it: many of them would add up.
pub(crate) const SLOW_REQUEST: Duration = Duration::from_millis(1);

/// Bytes of an object that are verified on the session's own thread, while later requests wait: some milliseconds. Larger objects
/// are verified on the session's second thread.
pub(crate) const VERIFY_INLINE: u64 = 1 << 20;

/// Gets that wait for the second thread of a session: several for each processor. Those beyond are answered on the first thread.
pub(crate) const SLOW_GETS: usize = 64;
/// The stack of that thread, which reads into buffers on the heap.
pub(crate) const SLOW_GETS_STACK: usize = 256 << 10;

/// Requests that a client may claim to have had while it had no daemon. It could claim any number, and no build has more.
pub(crate) const CLAIMED_REQUESTS: u64 = 1 << 24;

/// A package index longer than this is not looked at. The largest of Go's own have 123 kB (docs/facts/go.md, "Traffic").
pub(crate) const INDEX_BYTES: u64 = 1 << 20;
/// Names in a directory of the toolchain. `runtime` has 700.
pub(crate) const GOROOT_DIRECTORY_ENTRIES: usize = 4096;
/// Bytes of a toolchain's VERSION file.
pub(crate) const GOROOT_VERSION_BYTES: u64 = 4096;

// Maintenance.

/// How often the whole store is scanned: for the age limit, for what crashes left, and to correct the counters.
pub(crate) const FULL_SCAN_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// The shortest time between two evictions for the limits. It is doubled where an eviction freed nothing: what live builds have
/// linked stays on the disk.
pub(crate) const EVICTION_INTERVAL: Duration = Duration::from_secs(60);
/// The longest time between two evictions for the limits.
pub(crate) const EVICTION_MAX_INTERVAL: Duration = Duration::from_secs(3600);
/// How long one eviction may take before it is killed.
pub(crate) const EVICTION_WAIT: Duration = Duration::from_secs(3600);

/// How long no put comes before the file system is synced. syncfs(2) concerns the whole file system, with what a go command has in
/// its temporary directory and removes again: in the middle of a build everybody waits for the disk. After this time the kernel
/// has written by itself what there is (`dirty_expire_centisecs` of `proc_sys_vm(5)`).
pub(crate) const SYNC_QUIET: Duration = Duration::from_secs(60);
/// The longest time without a sync where puts never pause: how much has to be verified again after a power cut.
pub(crate) const SYNC_MAX_DELAY: Duration = Duration::from_secs(1200);

/// Seconds without a failed put after which puts count as stored again.
pub(crate) const STORAGE_RECOVERY_SECONDS: u64 = 10;

// What is remembered of builds.

/// Events of a build that are written down, at most two for each action: 5 MiB on the disk.
pub(crate) const TRACE_EVENTS: usize = 64 << 10;
/// Kinds of go commands of a build that are distinguished. A build has a handful.
pub(crate) const TRACE_SESSIONS: usize = 64;
/// Conditions of a build that are distinguished: those that it has and those that it was offered. A build has one for each module
/// with C or assembly, and up to eight times as many are offered.
pub(crate) const TRACE_CONDITIONS: usize = 4096;
/// Bytes of a trace that wait to be written.
pub(crate) const TRACE_BUFFER: usize = 32 << 10;

/// Packages, and other actions, in the profile of a build. It bounds the memory that making a profile takes; the bytes of a profile
/// are bounded as well.
pub(crate) const PROFILE_ENTRIES: usize = 10_000;
/// Bytes of memory for what packages contain of themselves, which the build has chosen. The 1,500 of a web server take 10 MB.
pub(crate) const PROFILE_MEMORY: usize = 32 << 20;
/// Variants of one package that export the same, among which the imported one is looked for.
pub(crate) const PROFILE_VARIANTS: usize = 16;
/// How many times the parts of a condition are read for one profile, at most 64 KiB each.
pub(crate) const PROFILE_PARTS: usize = 512;
/// Conditions that did not hold, in one profile. A build has some for each module with C.
pub(crate) const PROFILE_REJECTIONS: usize = 512;
/// Records of other users that are looked for, for one profile: a fifth of a second at most. A build that missed 1,500 packages looks
/// into the partitions of 13 users.
pub(crate) const PROFILE_LOOKUPS: usize = 20_000;
/// Bytes at the end of a test's output that contain its last line.
pub(crate) const PROFILE_TAIL: u64 = 1024;
/// Profiles kept: as many builds as the history has.
pub(crate) const PROFILES: usize = HISTORY;
/// Bytes of all profiles that are kept: builds choose how long theirs are.
pub(crate) const PROFILES_BYTES: u64 = 64 << 20;
/// How old the profile of a live build may be although the build went on: making one reads a few thousand files.
pub(crate) const PROFILE_MAX_AGE: Duration = Duration::from_secs(5);
/// Time for making profiles that unprivileged users may cause at once. The profiles of twenty live builds take a second.
pub(crate) const PROFILE_BURST: Duration = Duration::from_secs(2);
/// In the long run unprivileged users may cause one part in so many of all time.
pub(crate) const PROFILE_TIME_SHARE: u32 = 10;

/// Working sets that are kept for each partition, each of them a trace: of as many names of derivations.
pub(crate) const WORKING_SETS: usize = 300;
/// Bytes of the working sets of a partition. That of a web server of 800 packages has 200 KB.
pub(crate) const WORKING_SETS_BYTES: u64 = 32 << 20;
/// A build that asks for less has no table: it would save a few milliseconds.
pub(crate) const SMALL_WORKING_SET: usize = 64;
/// Tables that are being made or wait for that, each in a thread. One takes a tenth of a second.
pub(crate) const PREPARATIONS: usize = 64;
/// The stack of the thread that makes a table.
pub(crate) const PREPARE_STACK: usize = 256 << 10;

/// How long cacheprog-remote may be silent. It answers sooner, whatever the engine does (crates/cacheprog-remote/src/limits.rs).
pub(crate) const REMOTE_SILENCE: Duration = Duration::from_secs(60);
/// Names for which something is fetched at once: they share one network. Builds that do not write what all users read have half of them.
pub(crate) const PREFETCHES: usize = 8;
/// Toolchains of one build for which something is fetched.
pub(crate) const PREFETCHES_PER_BUILD: usize = 4;
/// The stack of a thread that fetches: it unpacks frames.
pub(crate) const PREFETCH_STACK: usize = 1 << 20;
/// How long a prefetch goes on. What takes longer, the next build of that name has.
pub(crate) const PREFETCH_TIME: Duration = Duration::from_secs(600);
/// How long a get waits at most for what is on its way, and for what costs next to nothing to compute: a compiler takes about as long to start. A
/// client takes for late what comes after 2 s.
pub(crate) const REMOTE_WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// Waits in a row that ended without what was waited for: then the rest is computed, until something comes again.
pub(crate) const REMOTE_LATE: u32 = 2;
/// A prefetch of fewer entries is not judged; of more, one in so many has to be asked for.
pub(crate) const REMOTE_USEFUL: (usize, usize) = (64, 3);
/// After so many prefetches in a row that were of little use, builds of that name get what they ask for and nothing ahead: until one asked for
/// enough of what would have come, or until none was judged for so long.
pub(crate) const REMOTE_USELESS: (u32, Duration) = (3, Duration::from_secs(24 * 3600));
/// Actions of one prefetch of which it is remembered that nothing asked for them yet.
pub(crate) const REMOTE_FETCHED: usize = 64 << 10;
/// Actions that are fetched on demand for a build, or for builds of one name that run together. A prefetch of Caddy has 1,600 and some 80 MB; a
/// build that needs more is served by a prefetch, to which its name goes back.
pub(crate) const ON_DEMAND_ACTIONS: usize = 1024;
/// After so many bytes no more of them are fetched.
pub(crate) const ON_DEMAND_BYTES: u64 = 64 << 20;
/// Threads that fetch it: the streams of a prefetch.
pub(crate) const ON_DEMAND_THREADS: usize = 4;
/// Names of builds of which something waits to be put into the remote store.
pub(crate) const UPLOADS: usize = 1000;
/// How long it waits at most.
pub(crate) const UPLOAD_AGE: Duration = Duration::from_secs(3 * 24 * 3600);
/// The pause after an attempt that failed, and the longest one.
pub(crate) const UPLOAD_PAUSE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
/// The stack of the thread that puts: it packs frames.
pub(crate) const UPLOAD_STACK: usize = 1 << 20;

/// Conditions whose parts are kept, and the bytes of these. A build has some dozens with a few KiB each, and many builds have the same.
pub(crate) const CONDITION_PARTS: usize = 4096;
/// Bytes of the parts that are kept.
pub(crate) const CONDITION_PARTS_BYTES: u64 = 64 << 20;

/// Ended builds that are remembered: what the status shows, 50 KB on the disk.
pub(crate) const HISTORY: usize = 100;

/// Differences between outputs that are remembered (`trust/shadow_verification.rs`).
pub(crate) const DIFFERENCES: usize = 100;

/// Of those that one build found: code that runs in it can make up as many as the budget allows, and others are to stay.
pub(crate) const DIFFERENCES_OF_A_BUILD: usize = 10;

/// For how many seconds: a daemon that starts forgets older ones. The entries stay in quarantine.
pub(crate) const DIFFERENCES_AGE: u64 = 30 * 86_400;

/// Seconds of a step of the time series, and how many steps are kept: five minutes for a day, an hour for a month, a day for a
/// year. A step takes some 250 bytes on the disk and less than half of that in memory.
pub(crate) const TIME_SERIES_STEPS: [(u64, usize); 3] = [(300, 300), (3600, 31 * 24), (86_400, 400)];
/// How often the time series is written: what a killed daemon forgets.
pub(crate) const USAGE_SAVE_INTERVAL: Duration = Duration::from_secs(300);

// HTTP.

/// Bytes of a request's head: a browser may have many cookies of other services on the machine.
pub(crate) const HTTP_HEAD_BYTES: usize = 8 << 10;
/// Lines of a request's head.
pub(crate) const HTTP_HEAD_LINES: usize = 64;
/// How old the page may be: one is made of up to twenty builds, each with two profiles until it has ended, and anyone who reaches
/// it may ask for it without end.
pub(crate) const PAGE_MAX_AGE: Duration = Duration::from_secs(1);
/// Builds of today that the page shows with their packages.
pub(crate) const PAGE_BUILDS: usize = 20;
/// Packages of each of them: the slowest.
pub(crate) const PAGE_PACKAGES: usize = 120;
/// Causes of misses.
pub(crate) const PAGE_CAUSES: usize = 8;
/// Misses in the list of the slowest.
pub(crate) const PAGE_SLOWEST: usize = 12;
/// Characters of a text that a build has chosen: a page is kept in memory, and with it what the ended builds of it did.
pub(crate) const PAGE_TEXT: usize = 200;
/// Toolchains that are named, of each build and in all.
pub(crate) const PAGE_TOOLCHAINS: usize = 6;
/// Live builds that the page shows. A machine has as many as Nix runs at once.
pub(crate) const PAGE_LIVE: usize = 50;
/// Builds in the page's table.
pub(crate) const PAGE_ROWS: usize = 30;
