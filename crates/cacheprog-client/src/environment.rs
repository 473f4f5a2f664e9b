//! What the environment says: the only place of this program that reads it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::control::{HOST_SOCKET, MOUNT, MOUNTED_CLIENT, MOUNTED_SOCKET};
use proto::wire::Toolchain;
use store::Caps;

use crate::condition::build_env::Variables;
use crate::condition::go_overlay;

/// The file that runs.
const PROGRAM: &str = "/proc/self/exe";

/// One of the 256 directories that each go command makes in GOCACHE and `go clean -cache` removes (cmd/go/internal/cache `Open`,
/// cmd/go/internal/clean/clean.go `runClean`, Go 1.21-1.27): what we leave in it goes with the rest.
const CLEANED: &str = "00";

/// The environment as this program understands it.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// The build's socket, where there is a daemon to talk to.
    pub(crate) socket: Option<PathBuf>,
    /// The socket of a session outside of sandboxes, where there is one.
    pub(crate) session: Option<PathBuf>,
    /// Where such sessions are to be had.
    pub(crate) host: PathBuf,
    /// Where the embedded store is, unless the command line says.
    pub(crate) store: Option<PathBuf>,
    /// Where the spool is.
    pub(crate) spool: PathBuf,
    /// The go command's `GOCACHE`.
    pub(crate) gocache: Option<PathBuf>,
    pub(crate) toolchain: Toolchain,
    /// See [`go_overlay::reads_goroot`]; not looked at where there is no daemon to tell.
    pub(crate) reads_goroot: bool,
    /// Where a go command works, if tests' results may come from other builds and go there (`NIX_GOCACHEPROG_TESTS=0`: no).
    pub(crate) places: Option<Places>,
    /// What the embedded store is kept within.
    pub(crate) caps: Caps,
    /// Whether no setup hook went before: see plain.rs.
    pub(crate) is_transparent: bool,
    verbose: bool,
}

/// Where a go command works, and with which environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    pub(crate) cwd: PathBuf,
    /// `GOWORK`, where set.
    pub(crate) gowork: Option<PathBuf>,
    pub(crate) temporary: Vec<PathBuf>,
    pub(crate) caches: Vec<PathBuf>,
}

impl Places {
    /// The root of the main module; `None` in a workspace, which may have several.
    pub(crate) fn module(&self) -> Option<PathBuf> {
        let root = self.cwd.ancestors().find(|dir| dir.join("go.mod").is_file())?;
        let alone = match &self.gowork {
            Some(gowork) => gowork.as_os_str() == "off",
            None => !self.cwd.ancestors().any(|dir| dir.join("go.work").exists()),
        };
        alone.then(|| root.to_owned())
    }

    /// What is not the module's, should it lie in it.
    pub(crate) fn aside(&self) -> Vec<PathBuf> {
        self.temporary.iter().chain(&self.caches).cloned().collect()
    }

    /// Whether a path is a temporary directory itself, or in one that a go command made there for itself.
    pub(crate) fn is_temporary(&self, path: &Path) -> bool {
        self.temporary.iter().any(|dir| {
            let Ok(below) = path.strip_prefix(dir) else { return false };
            let Some(first) = below.components().next() else { return true };
            let number = first.as_os_str().to_str().and_then(|name| name.strip_prefix("go-build"));
            number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
    }
}

/// Whether this is the sandbox of a cached build, in which the very file that runs is mounted as the client beside the build's
/// directory. Mount points alone may have been left on a machine by somebody, and a link is a host's (host.rs). The socket does
/// not count: it is missing for a moment when the daemon is restarted.
fn is_mounted(mount: &Path, client: &Path, program: &Path) -> bool {
    mount.is_dir() && !client.is_symlink() && is_same_file(client, program)
}

/// Whether the program at this path, or where a link there leads, is the file that runs.
pub(crate) fn is_this_program(path: &Path) -> bool {
    is_same_file(path, Path::new(PROGRAM))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let file = |path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    file(one).is_some_and(|one| file(other) == Some(one))
}

/// All of it, for what depends on more than we can name.
pub(crate) fn variables() -> Variables {
    std::env::vars_os().collect()
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub(crate) fn read() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let absolute = |name| path(name).filter(|path| path.is_absolute() && is_one_line(path));
        let session = path("NIX_GOCACHEPROG_SESSION");
        let socket = path("NIX_GOCACHEPROG_SOCKET").or_else(|| session.clone()).or_else(|| {
            is_mounted(Path::new(MOUNT), Path::new(MOUNTED_CLIENT), Path::new(PROGRAM)).then(|| MOUNTED_SOCKET.into())
        });
        let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let gocache = absolute("GOCACHE");
        let toolchain = toolchain(path("GOROOT").as_deref(), path("GOTOOLDIR").as_deref());
        let goroot = Path::new(&toolchain.goroot);
        // The daemon asks for no other toolchain's.
        let is_asked = socket.is_some() && goroot.starts_with("/nix/store");
        let reads_goroot = is_asked && go_overlay::reads_goroot(goroot, path("GOFLAGS").as_deref());
        let temporary = || absolute("TMPDIR").unwrap_or_else(|| "/tmp".into());
        let read = Self {
            socket,
            host: path("NIX_GOCACHEPROG_HOST").unwrap_or_else(|| HOST_SOCKET.into()),
            session: session.clone(),
            store: cache.map(|cache| cache.join("nix-gocacheprog")),
            spool: gocache.as_ref().map_or_else(temporary, |dir| dir.join(CLEANED)).join("nix-gocacheprog-spool"),
            gocache,
            toolchain: Toolchain {
                salt: path("NIX_GOCACHEPROG_NAMESPACE")
                    .map(|salt| salt.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                ..toolchain
            },
            reads_goroot,
            places: path("NIX_GOCACHEPROG_TESTS").is_none_or(|value| value.as_os_str() != "0").then(|| Places {
                cwd: std::env::current_dir().unwrap_or_default(),
                gowork: path("GOWORK"),
                temporary: ["TMPDIR", "GOTMPDIR"].into_iter().filter_map(path).chain([temporary()]).collect(),
                caches: ["GOCACHE", "GOPATH", "GOMODCACHE"].into_iter().filter_map(path).collect(),
            }),
            caps: caps(path("NIX_GOCACHEPROG_MAX_SIZE").as_deref()),
            is_transparent: false,
            verbose: path("NIX_GOCACHEPROG_VERBOSE").is_some_and(|value| value.as_os_str() != "0"),
        };
        if session.is_some() { read.transparent() } else { read }
    }

    /// The same, with less shared.
    pub(crate) fn transparent(self) -> Self {
        Self { is_transparent: true, places: None, ..self }
    }

    /// Whether this is a sandbox that was offered a cache.
    pub(crate) fn is_sandbox(&self) -> bool {
        self.socket.is_some() && self.session.is_none()
    }

    /// Says something on standard error, if asked to: cmd/go passes it on to the user.
    pub(crate) fn tell(&self, text: &str) {
        if self.verbose {
            drop(writeln!(std::io::stderr(), "nix-gocacheprog: {text}"));
        }
    }
}

/// The defaults, but for the size. One that is not understood is the default too: a client says nothing to anyone.
fn caps(max_size: Option<&Path>) -> Caps {
    max_size.and_then(Path::to_str).and_then(|text| Caps::with_max_size(text).ok()).unwrap_or_default()
}

/// Whether a path can be told to cmd/go, which writes it into files of one path a line.
pub(crate) fn is_one_line(path: &Path) -> bool {
    path.to_str().is_some_and(|text| !text.contains(['\n', '\r']))
}

/// What `/proc` has of the process that started us under this name.
pub(crate) fn of_parent(name: &str) -> Option<PathBuf> {
    rustix::process::getppid().map(|pid| format!("/proc/{}/{name}", pid.as_raw_nonzero()).into())
}

/// The toolchain that started us. cmd/go exports `GOROOT` to its cache program (cmd/go/internal/cfg `SetGOROOT`,
/// Go 1.21-1.27); the go command itself is our parent.
fn toolchain(goroot: Option<&Path>, gotooldir: Option<&Path>) -> Toolchain {
    let text = |path: PathBuf| path.into_os_string().to_string_lossy().into_owned();
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let goroot = goroot.map(real).unwrap_or_default();
    let go = of_parent("exe").and_then(|exe| fs::read_link(exe).ok()).unwrap_or_default();
    let go = if goroot != Path::new("") && go.starts_with(&goroot) { PathBuf::new() } else { go };
    let gotooldir = gotooldir.map(real).map(text).unwrap_or_default();
    Toolchain { goroot: text(goroot), gotooldir, go: text(go), salt: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_that_somebody_left_make_no_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        let [mount, client, program] = ["gocache", "client", "program"].map(|name| dir.path().join(name));
        let is_sandbox = || is_mounted(&mount, &client, &program);
        fs::create_dir(&mount).unwrap();
        fs::write(&program, "the program").unwrap();
        assert!(!is_sandbox(), "no client");
        fs::write(&client, "").unwrap();
        assert!(!is_sandbox(), "an empty file");
        fs::copy(&program, &client).unwrap();
        assert!(!is_sandbox(), "a copy");
        fs::remove_file(&client).unwrap();
        std::os::unix::fs::symlink(&program, &client).unwrap();
        assert!(!is_sandbox(), "a link, as hosts have it");
        assert!(is_same_file(&client, &program));
        fs::remove_file(&client).unwrap();
        fs::hard_link(&program, &client).unwrap(); // as a mount is: the same device and inode
        assert!(is_sandbox());
        fs::remove_dir(&mount).unwrap();
        assert!(!is_sandbox(), "no directory of a build");
        assert!(is_this_program(&std::env::current_exe().unwrap()) && !is_this_program(&program));
    }
}
