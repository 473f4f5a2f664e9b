//! The environment variables that this program reads, and what they mean. No other file reads any.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use proto::SigningKey;
use proto::control::{HOST_SOCKET, MOUNTED_SOCKET};
use proto::wire::Toolchain;
use store::{Limits, SizeError};

use crate::clock;
use crate::condition::go_env;
use crate::condition::invocation::Invocation;
use crate::condition::variables::{self, Variables};
use crate::condition::{OwnOutputs, toolchain};
use crate::parent_process;
use crate::sandbox;
use crate::test_context::{BuildTop, TestContext};

/// One of the 256 directories that each go command makes in GOCACHE and `go clean -cache` removes (cmd/go/internal/cache `Open`,
/// cmd/go/internal/clean/clean.go `runClean`, Go 1.21-1.27): what is left in it is removed with the rest.
const CLEANED: &str = "00";

/// Which keys are trusted, for cacheprog-remote and for what it brought.
const REMOTE_KEYS: &str = "NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS";

/// The environment as this program understands it.
#[derive(Debug)]
pub(crate) struct Environment {
    /// The build's socket, where there is a daemon to talk to.
    pub(crate) socket: Option<PathBuf>,
    /// The socket of a session outside of sandboxes, where there is one.
    pub(crate) session: Option<PathBuf>,
    /// The socket that offers such sessions.
    pub(crate) host: PathBuf,
    /// The directory of the embedded store, unless the command line names one.
    pub(crate) store: Option<PathBuf>,
    /// The directory of the spool.
    pub(crate) spool: PathBuf,
    /// The go command's `GOCACHE`.
    pub(crate) gocache: Option<PathBuf>,
    pub(crate) toolchain: Toolchain,
    /// Names the go command's `GOCACHE` among those of a build: see [`proto::wire::Hello::gocache`]. Empty if unknown.
    pub(crate) gocache_id: String,
    /// See [`Invocation::reads_goroot`]. False without a daemon, which alone uses it.
    pub(crate) reads_goroot: bool,
    /// Whether the go command may be answered from its build's table, which has plain answers, and indexes of a toolchain in the Nix store.
    pub(crate) may_use_table: bool,
    pub(crate) invocation: Invocation,
    /// See [`variables_of_go`].
    pub(crate) variables_of_go: Variables,
    /// Whether Go's keys hold all that the invocation brings in.
    pub(crate) is_clean: bool,
    /// When this process began: what changes from then on shows a later time.
    pub(crate) started: SystemTime,
    /// `None` if tests' results are not exchanged with other builds (`NIX_GOCACHEPROG_TESTS=0`).
    pub(crate) test_context: Option<TestContext>,
    /// The limits of the embedded store.
    pub(crate) store_limits: Limits,
    /// Why the size that the user wrote is not among them.
    wrong_size: Option<SizeError>,
    /// The keys whose entries of a remote store are used.
    pub(crate) signers: Vec<SigningKey>,
    verbose: bool,
}

fn signers(list: Option<&Path>) -> Vec<SigningKey> {
    list.and_then(Path::to_str).map(SigningKey::of_list).unwrap_or_default()
}

/// All variables, for results that depend on more of them than are known by name.
pub(crate) fn variables() -> Variables {
    std::env::vars_os().collect()
}

/// The same, with those that the go command takes from files. They are read once a process.
fn variables_of_go() -> Variables {
    let mut all = variables();
    go_env::add(&mut all);
    all
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub(crate) fn read() -> Self {
        let started = clock::before_changes();
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name| path(name).filter(|path| path.is_absolute() && is_one_line(path));
        let session = path("NIX_GOCACHEPROG_SESSION");
        let socket = path("NIX_GOCACHEPROG_SOCKET")
            .or_else(|| session.clone())
            .or_else(|| sandbox::is_mounted_here().then(|| MOUNTED_SOCKET.into()));
        let own_store = store::own_store_dir(path("XDG_CACHE_HOME"), path("HOME"));
        let gocache = absolute("GOCACHE");
        let toolchain = parent_process::toolchain(path("GOROOT").as_deref(), path("GOTOOLDIR").as_deref());
        let goroot = PathBuf::from(&toolchain.goroot);
        // The daemon uses it only for a toolchain in the Nix store.
        let is_used = socket.is_some() && goroot.starts_with("/nix/store");
        let invocation = Invocation::read(path("GOFLAGS").as_deref().map(Path::as_os_str));
        let reads_goroot = is_used && invocation.reads_goroot(&goroot);
        // In a session outside of sandboxes most of what tests look at is unknown.
        let exchanges_test_results =
            session.is_none() && path("NIX_GOCACHEPROG_TESTS").is_none_or(|value| value.as_os_str() != "0");
        let temporary = || absolute("TMPDIR").unwrap_or_else(|| "/tmp".into());
        let is_clean = invocation.is_clean(&goroot);
        let tests = exchanges_test_results && socket.is_some();
        let variables_of_go = variables_of_go();
        let is_build = variables::is_build(&variables_of_go);
        let gowork = variables::text(&variables_of_go, "GOWORK");
        let verbose = path("NIX_GOCACHEPROG_VERBOSE").is_some_and(|value| value.as_os_str() != "0");
        let test_context = tests.then(|| test_context(invocation.clone(), goroot, gowork, verbose));
        let store_limits = store_limits(path("NIX_GOCACHEPROG_MAX_SIZE").as_deref());
        Self {
            socket,
            host: path("NIX_GOCACHEPROG_HOST").unwrap_or_else(|| HOST_SOCKET.into()),
            session,
            // A build of Nix has no user, so no store: its HOME is not there, or is one of its own.
            store: own_store.filter(|_| !is_build),
            spool: gocache.as_ref().map_or_else(temporary, |dir| dir.join(CLEANED)).join("nix-gocacheprog-spool"),
            gocache_id: gocache.as_deref().map(gocache_id).unwrap_or_default(),
            gocache,
            is_clean,
            invocation,
            variables_of_go,
            started,
            toolchain,
            reads_goroot,
            may_use_table: is_clean && (reads_goroot || !is_used),
            test_context,
            wrong_size: store_limits.as_ref().err().copied(),
            store_limits: store_limits.unwrap_or_default(),
            signers: signers(path(REMOTE_KEYS).as_deref()),
            verbose,
        }
    }

    /// Warns of a size that cannot be read, also where nothing else is printed: the store would fill a disk that has no room for it.
    pub(crate) fn warn_of_wrong_size(&self) {
        if let Some(e) = self.wrong_size {
            print_error(&format!("NIX_GOCACHEPROG_MAX_SIZE: {e}; using the default"));
        }
    }

    /// The same environment, with the content of a toolchain outside of the Nix store.
    pub(crate) fn with_toolchain_content(mut self) -> Self {
        let Toolchain { goroot, gotooldir, go, .. } = &self.toolchain;
        let content = toolchain::content(goroot.as_ref(), gotooldir.as_ref(), go.as_ref(), self.memo().as_deref());
        // What cannot be told from others has a text of its own.
        let unknown = || format!("unknown, {} at {:?}", std::process::id(), clock::now());
        self.toolchain.content = content.unwrap_or_else(unknown);
        self
    }

    /// The directory in which go commands of this GOCACHE keep what they read.
    pub(crate) fn memo(&self) -> Option<PathBuf> {
        self.gocache.as_ref().map(|dir| dir.join(CLEANED).join("nix-gocacheprog-conditions"))
    }

    /// Whether this is the sandbox of a build with a cache.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.socket.is_some() && self.session.is_none()
    }

    /// Prints a line on standard error if `NIX_GOCACHEPROG_VERBOSE` is set: cmd/go passes it on to the user.
    pub(crate) fn log(&self, text: &str) {
        if self.verbose {
            print_error(text);
        }
    }
}

/// The directories of the go command that tests.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn test_context(invocation: Invocation, goroot: PathBuf, gowork: String, is_verbose: bool) -> TestContext {
    let paths = |name: &str| {
        std::env::var_os(name).map(|all| std::env::split_paths(&all).collect::<Vec<_>>()).unwrap_or_default()
    };
    let all = |names: &[&str]| {
        names.iter().flat_map(|name| paths(name)).filter(|path| path.is_absolute()).collect::<Vec<_>>()
    };
    let mut temporary = all(&["TMPDIR", "GOTMPDIR"]);
    if temporary.is_empty() {
        temporary.push("/tmp".into());
    }
    let variables = variables();
    let outputs = OwnOutputs::of(&variables).map(|own| own.paths().collect()).unwrap_or_default();
    let of_gopath = all(&["GOPATH"]).into_iter().flat_map(|dir| ["pkg/mod", "pkg/sumdb"].map(|name| dir.join(name)));
    let programs = all(&["GOPATH"]).into_iter().map(|dir| dir.join("bin")).chain(all(&["GOBIN"]));
    let is_build = variables::is_build(&variables);
    let apart: Vec<_> = all(&["GOCACHE", "GOMODCACHE", "GOTELEMETRYDIR"]).into_iter().chain(of_gopath).collect();
    let root = || PathBuf::from(variables::text(&variables, "NIX_BUILD_TOP"));
    let top = is_build.then(|| BuildTop::read(root(), outputs, &temporary, &apart));
    TestContext {
        programs: programs.collect(),
        cwd: std::env::current_dir().unwrap_or_default(),
        gowork: Some(gowork).filter(|path| !path.is_empty()).map(PathBuf::from),
        apart,
        top,
        temporary,
        invocation,
        goroot,
        net: is_build.then(|| "/proc/self/net".into()),
        variables,
        is_verbose,
    }
}

/// Prints a line on standard error, for a user who ran this program.
pub(crate) fn print_error(text: &str) {
    drop(writeln!(std::io::stderr(), "nix-gocacheprog: {text}"));
}

/// The device and the inode of a GOCACHE's first directory, and when it was made: after `go clean -cache` it is another one.
fn gocache_id(gocache: &Path) -> String {
    let metadata = fs::metadata(gocache.join(CLEANED)).or_else(|_| fs::metadata(gocache));
    let Ok(metadata) = metadata else { return String::new() };
    let made = metadata.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{}:{}:{}", metadata.dev(), metadata.ino(), made.as_nanos())
}

/// The default limits with this size.
fn store_limits(max_size: Option<&Path>) -> Result<Limits, SizeError> {
    max_size.map_or_else(|| Ok(Limits::default()), |text| Limits::with_max_size(&text.to_string_lossy()))
}

/// Whether cmd/go can use a path: it writes paths into files, one a line.
pub(crate) fn is_one_line(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.contains(['\n', '\r']))
}
