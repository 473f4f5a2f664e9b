//! The commands `pull` and `push`, with the user's own store.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proto::wire::Toolchain;
use remote::keys::{PublicKey, SecretKey, TrustedKeys};
use remote::series::Series;
use store::{Access, Conditional, Store, View};

use super::failure::{Failure, print};
use crate::clock;
use crate::names::Names;
use crate::sync::objects::Objects;
use crate::sync::pull::Pull;
use crate::sync::push::Push;
use crate::sync::untrusted::forget_untrusted;

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

/// What of a store is put.
#[derive(Debug, Clone, Copy)]
pub(super) struct What {
    pub(super) since: SystemTime,
    pub(super) kept_for: Duration,
    pub(super) with_c: bool,
}

/// Fetches what is there for the builds.
pub(super) fn pull(
    objects: &dyn Objects,
    local: &Local,
    toolchain: Option<&str>,
    keys: &[PublicKey],
) -> Result<(), Failure> {
    let (dir, names) = (local.dir()?, local.names()?);
    let store = Store::open(&dir, Access::Owner)?;
    let trusted = TrustedKeys::new(keys.to_vec());
    let gone = forget_untrusted(&store, &trusted, clock::now())?;
    if gone > 0 {
        log::warn!("{}: {gone} entries went, signed by keys that are trusted no longer", dir.display());
    }
    if keys.is_empty() {
        let variable = "NIX_GOCACHEPROG_REMOTE_TRUSTED_PUBLIC_KEYS";
        return Err(format!("no key is trusted, so nothing can be taken: --trusted-public-keys or {variable}").into());
    }
    let toolchains = match toolchain {
        Some(text) => vec![remembered(&store, serde_json::from_str(text).map_err(|e| format!("--toolchain: {e}"))?)?],
        None => toolchains(&dir),
    };
    for toolchain in toolchains {
        let view = View::common(&toolchain);
        let series = names.series(&view)?;
        let now = seconds(clock::now());
        let pulled = Pull { store: &store, view: &view, series: &series, trusted: &trusted, objects, now }.run()?;
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

/// Puts what was used.
pub(super) fn push(objects: &dyn Objects, local: &Local, key: &SecretKey, what: What) -> Result<(), Failure> {
    let (dir, names) = (local.dir()?, local.names()?);
    let store = Store::open(&dir, Access::Owner)?;
    let toolchains = toolchains(&dir);
    if toolchains.is_empty() {
        return Err(format!(
            "{}: no go command used it with cacheprog-client --remote, so no toolchain is known",
            dir.display()
        )
        .into());
    }
    for toolchain in toolchains {
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
            since: what.since,
            conditional: if what.with_c { Conditional::All } else { Conditional::OfAssembly },
            now: seconds(clock::now()),
            period: what.kept_for.as_secs(),
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
    fn dir(&self) -> Result<PathBuf, Failure> {
        #[expect(clippy::disallowed_methods, reason = "this is where the user's cache directory is found")]
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let cache = || absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        let dir = self.store.clone().or_else(|| cache().map(|cache| cache.join("nix-gocacheprog")));
        Ok(dir.ok_or("neither XDG_CACHE_HOME nor HOME is set: --store names the store")?)
    }

    fn names(&self) -> Result<Names, Failure> {
        if let Some(own) = self.name.clone() {
            return Ok(Names { own, base: self.base.clone() });
        }
        #[expect(clippy::disallowed_methods, reason = "this is where CI systems tell the branch")]
        let found = Names::find(&std::env::current_dir()?, &|name| std::env::var_os(name))?;
        Ok(Names { base: self.base.clone().or(found.base), own: found.own })
    }
}

impl Names {
    fn series(&self, view: &View) -> Result<Vec<Series>, Failure> {
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

/// Notes that a store is filled for this toolchain.
fn remembered(store: &Store, toolchain: Toolchain) -> Result<Toolchain, Failure> {
    let dir = toolchains_dir(store.root());
    fs::create_dir_all(&dir)?;
    let name = View::common(&toolchain).reads.first().map(|one| one.toolchain().to_owned()).unwrap_or_default();
    store.write_file(&dir.join(name), &serde_json::to_vec(&toolchain)?)?;
    Ok(toolchain)
}

/// The toolchains for which it was filled.
fn toolchains(store: &Path) -> Vec<Toolchain> {
    let files = fs::read_dir(toolchains_dir(store)).into_iter().flatten().flatten();
    let mut files: Vec<_> = files.map(|file| file.path()).collect();
    files.sort();
    files.iter().filter_map(|file| serde_json::from_slice(&fs::read(file).ok()?).ok()).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
