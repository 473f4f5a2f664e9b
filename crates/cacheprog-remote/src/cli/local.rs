//! The commands `pull` and `push`, with the user's own store.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::wire::Toolchain;
use remote::keys::{PublicKey, SecretKey, TrustedKeys};
use remote::series::Series;
use remote_sync::frame_memory::{FRAMES, FrameMemory};
use remote_sync::make_dir;
use remote_sync::objects::Objects;
use remote_sync::pull::Pull;
use remote_sync::push::{Found, Push, Used};
use store::{Access, Conditional, Limits, Store, View};

use super::failure::{Failure, print};
use crate::clock;
use crate::names::Names;

/// The local store, and the builds.
#[derive(Debug, clap::Args)]
pub(super) struct Local {
    /// The local store; by default that of cacheprog-client, in the user's cache directory.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Of which builds entries are; by default MODULE@BRANCH of this directory, as git or the CI system tells it.
    #[arg(long, env = "NIX_GOCACHEPROG_REMOTE_NAME")]
    name: Option<String>,
    /// Builds of which entries are used too; by default MODULE@ the branch from which this one comes.
    #[arg(long, value_name = "NAME", env = "NIX_GOCACHEPROG_REMOTE_BASE")]
    base: Option<String>,
}

/// What is fetched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// As JSON.
    pub(super) toolchain: Option<&'a str>,
    pub(super) keys: &'a [String],
    pub(super) with_c: bool,
}

/// What of a store is put.
#[derive(Debug, Clone, Copy)]
pub(super) struct PushOptions {
    pub(super) since: SystemTime,
    pub(super) kept_for: Duration,
    pub(super) with_c: bool,
}

/// How long a pull takes at most. What is missing then, the next one fetches.
const LONGEST: Duration = Duration::from_secs(600);

/// How long it waits for another one: as long as a go command waits for it.
const QUEUE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Fetches what is there for the builds.
pub(super) fn pull(objects: &dyn Objects, local: &Local, wanted: Wanted<'_>) -> Result<(), Failure> {
    let trusted = TrustedKeys::new(keys(wanted.keys)?);
    let dir = local.dir()?;
    let names = match local.names() {
        // The client asks in any directory.
        Err(e) if wanted.toolchain.is_some() => {
            log::info!("{e}");
            return Ok(());
        }
        names => names?,
    };
    let store = open(&dir)?;
    let Some(_only_one) = lock(&dir)? else {
        log::warn!(
            "{}: another process has fetched into it for {} s: nothing is fetched",
            dir.display(),
            QUEUE.as_secs()
        );
        return Ok(());
    };
    let toolchains = match wanted.toolchain {
        Some(text) => vec![remembered(&store, serde_json::from_str(text).map_err(|e| format!("--toolchain: {e}"))?)?],
        None => remembered_toolchains(&dir),
    };
    let (now, until) = (seconds_of(clock::now()), Instant::now() + LONGEST);
    let (conditional, trusted) = (conditional(wanted.with_c), &trusted);
    let memory = FrameMemory::new(FRAMES);
    for toolchain in toolchains {
        let view = View::common(&toolchain).trusting(trusted.signing_keys());
        let series = names.series(&view)?;
        let progress = &();
        let pull = Pull {
            store: &store,
            limits: Limits::default(), // the client's have another size at most
            view: &view,
            series: &series,
            std: None, // the base has them
            trusted,
            objects,
            conditional,
            indexes: false,
            now,
            until,
            progress,
            memory: &memory,
        };
        let pulled = pull.run()?;
        print(&format!(
            "{}: {} of {} entries are new, {} requests for {} bytes",
            names.text(),
            pulled.admitted,
            pulled.entries,
            pulled.requests,
            pulled.bytes
        ))?;
    }
    Ok(())
}

/// The keys of an option. A secret one in its place is not shown.
pub(super) fn keys(texts: &[String]) -> Result<Vec<PublicKey>, Failure> {
    let texts: Vec<_> = texts.iter().filter(|text| !text.is_empty()).collect();
    if texts.is_empty() {
        let variable = "NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS";
        return Err(format!("no key is trusted, so nothing can be taken: --trusted-public-keys or {variable}").into());
    }
    let parse = |(number, text): (usize, &&String)| {
        text.parse().map_err(|e| format!("--trusted-public-keys, key {}: {e}", number + 1).into())
    };
    texts.iter().enumerate().map(parse).collect()
}

/// The store, as the client opens it: an unclean stop of the machine is noticed.
pub(super) fn open(dir: &Path) -> Result<Store, Failure> {
    let store = Store::open(dir, Access::Owner)?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // What could not be noted is verified by this process all the same.
    drop(store.recovery().resume_since_boot(&boot, clock::now()));
    Ok(store)
}

/// Holds a store for one pull: what another one fetches now is not fetched again. `None` where another process has it for long.
fn lock(dir: &Path) -> Result<Option<File>, Failure> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(dir.join("remote.lock"))?;
    let until = Instant::now() + QUEUE;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(POLL),
            Err(TryLockError::WouldBlock) => return Ok(None),
            // Without an error, or on a file system without locks, where two fetch the same.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(Some(file)),
        }
    }
}

fn conditional(with_c: bool) -> Conditional {
    if with_c { Conditional::All } else { Conditional::OfAssembly }
}

/// Puts what was used.
pub(super) fn push(objects: &dyn Objects, local: &Local, key: &SecretKey, options: PushOptions) -> Result<(), Failure> {
    let (dir, names) = (local.dir()?, local.names()?);
    let store = open(&dir)?;
    for toolchain in toolchains(&dir)? {
        let view = View::common(&toolchain);
        let series = names.series(&view)?;
        let (series, bases) = series.split_first().ok_or("no name")?;
        let pushed = Push {
            store: &store,
            view: &view,
            series,
            bases,
            key,
            objects,
            found: &Found::default(),
            used: Used::Since(options.since),
            conditional: conditional(options.with_c),
            indexes: false,
            now: seconds_of(clock::now()),
            period: options.kept_for.as_secs(),
        };
        let pushed = pushed.run()?;
        print(&format!(
            "{series}: {} entries, {} outputs were not there, {} bytes in {} files{}",
            pushed.entries,
            pushed.outputs,
            pushed.bytes,
            pushed.files,
            if pushed.is_new { "" } else { "; nothing is new" }
        ))?;
    }
    Ok(())
}

impl Local {
    /// The directory of the local store.
    pub(super) fn dir(&self) -> Result<PathBuf, Failure> {
        #[expect(clippy::disallowed_methods, reason = "this is where the user's cache directory is found")]
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = || absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let dir = self.store.clone().or_else(|| cache().map(|cache| cache.join("nix-gocacheprog")));
        Ok(dir.ok_or("neither XDG_CACHE_HOME nor HOME is set: --store names the store")?)
    }

    pub(super) fn names(&self) -> Result<Names, Failure> {
        if let Some(own) = self.name.clone() {
            return Ok(Names { own, base: self.base.clone() });
        }
        #[expect(clippy::disallowed_methods, reason = "this is where CI systems tell the branch")]
        let found = Names::find(&std::env::current_dir()?, &|name| std::env::var_os(name))?;
        Ok(Names { base: self.base.clone().or(found.base), own: found.own })
    }
}

impl Names {
    pub(super) fn series(&self, view: &View) -> Result<Vec<Series>, Failure> {
        let toolchain = view.reads.first().ok_or("no namespace")?.toolchain();
        let names = std::iter::once(&self.own).chain(&self.base);
        names.map(|name| Series::new("common", toolchain, name).map_err(Into::into)).collect()
    }

    fn text(&self) -> String {
        self.base.as_ref().map_or_else(|| self.own.clone(), |base| format!("{} and {base}", self.own))
    }
}

/// Where the toolchains are kept for which a store was filled.
fn toolchains_dir(store: &Path) -> PathBuf {
    store.join("remote").join("toolchains")
}

/// Toolchains that are remembered: each costs a push a request.
const MOST_TOOLCHAINS: usize = 20;

/// Notes that a store is filled for this toolchain.
fn remembered(store: &Store, toolchain: Toolchain) -> Result<Toolchain, Failure> {
    let dir = toolchains_dir(store.root());
    make_dir(&dir)?;
    let name = View::common(&toolchain).reads.first().map(|one| one.toolchain().to_owned()).unwrap_or_default();
    store.write_file(&dir.join(name), &serde_json::to_vec(&toolchain)?)?;
    store::keep_newest(&dir, MOST_TOOLCHAINS, u64::MAX)?;
    Ok(toolchain)
}

/// The toolchains for which it was filled, at least one.
pub(super) fn toolchains(store: &Path) -> Result<Vec<Toolchain>, Failure> {
    let toolchains = remembered_toolchains(store);
    if toolchains.is_empty() {
        let what = "no go command used it with cacheprog-client --remote, so no toolchain is known";
        return Err(format!("{}: {what}", store.display()).into());
    }
    Ok(toolchains)
}

fn remembered_toolchains(store: &Path) -> Vec<Toolchain> {
    let files = fs::read_dir(toolchains_dir(store)).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    files.iter().filter_map(|file| serde_json::from_slice(&fs::read(file).ok()?).ok()).collect()
}

pub(super) fn seconds_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
