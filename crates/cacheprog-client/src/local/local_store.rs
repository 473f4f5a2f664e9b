//! A store in a directory of this user's: the embedded store, and the spool.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::gocmd::{BodyError, Hit};
use proto::{ActionId, FrameError, RequestError};
use store::{Access, Found, Incoming, Origin, ReceiveError, Record, Replaces, Store, StoreError, View};

use crate::gocmd::cache::Put;
use crate::clock;
use crate::environment::Environment;

#[derive(Debug)]
pub(crate) struct Local {
    dir: PathBuf,
    /// What the paths we hand out begin with.
    shown: String,
    view: View,
    /// Of what is put here.
    origin: Origin,
    store: Option<Store>,
    scratch: Vec<u8>,
}

impl Local {
    pub(crate) fn new(dir: &Path, environment: &Environment) -> Self {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let shown = shown(&dir, environment.gocache.as_deref());
        let view = View::common(&environment.toolchain);
        let origin = view.origin(None, "");
        Self { dir, shown, view, origin, store: None, scratch: Vec::new() }
    }

    /// Opens the store, made where it is missing.
    pub(crate) fn open(&mut self) -> Result<&Store, StoreError> {
        match &mut self.store {
            Some(store) => Ok(store),
            none => Ok(none.insert(Store::open(&self.dir, Access::Owner)?)),
        }
    }

    /// Opens the store of a user, in which nobody knows how the machine went down the last time. True if it had an earlier format.
    pub(crate) fn open_after(&mut self, boot: &str) -> Result<bool, StoreError> {
        let store = Store::open(&self.dir, Access::Owner)?;
        let was_former = store.was_of_format_before();
        // What is doubted and could not be written down is doubted by this process all the same.
        self.store = Some(store.doubting_since_boot(boot, clock::now()).0);
        Ok(was_former)
    }

    /// Finds an action's output. Every failure is a miss: damaged, unreadable, evicted.
    pub(crate) fn get(&mut self, action: &ActionId) -> Option<Hit> {
        if self.store.is_none() && !self.dir.is_dir() {
            return None; // a spool that nobody needed yet is not made for a look
        }
        self.open().ok()?;
        let store = self.store.as_ref()?;
        // What depends on a condition nobody here can look at yet.
        let Found::Plain(record) = store.find(&self.view, action, clock::now()).ok()?? else { return None };
        store.object(&record.output, record.size).ok()??; // whole, as far as can be told without reading it
        Some(self.hit(&record))
    }

    /// Takes in a body. `None` where it cannot be written; it was read to its end all the same.
    pub(crate) fn receive(&mut self, put: &Put, body: &mut impl Read) -> Result<Option<Incoming>, BodyError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let received = match self.open() {
            Ok(store) => store.receive(put.output, put.size, body, &mut scratch),
            Err(e) => drain(body).and(Err(e.into())),
        };
        self.scratch = scratch;
        match received {
            Ok(body) => Ok(Some(body)),
            Err(ReceiveError::Body(e)) => Err(BodyError::from_io(e).unwrap_or_else(|e| FrameError::Read(e).into())),
            Err(ReceiveError::Length(size)) => Err(RequestError::BodyLength(size).into()),
            Err(ReceiveError::Digest) => Err(RequestError::BodyDigest.into()),
            Err(ReceiveError::Store(_)) => Ok(None),
        }
    }

    /// Keeps a body that was taken in. `None` where it cannot be written; a small one can be kept elsewhere then.
    pub(crate) fn keep(&mut self, put: &Put, cost: Option<Duration>, body: &mut Incoming) -> Option<Hit> {
        self.open().ok()?;
        let put = store::Put {
            action: put.action,
            time: clock::now(),
            cost_ms: cost.map_or(0, |cost| u64::try_from(cost.as_millis()).unwrap_or(u64::MAX)),
            origin: &self.origin,
            condition: None,
            replaces: Replaces::Any,
        };
        self.store.as_ref()?.publish(&self.view, &put, body).ok()?;
        let (output, size) = (body.output(), body.size());
        Some(Hit { output, size, time: put.time, path: self.path(&output) })
    }

    /// A path for a put that could not be kept. cmd/go builds on: it finds no file there and takes the output from where
    /// it made it (docs/facts/go.md, "What fails a go command").
    pub(crate) fn nowhere(&self) -> String {
        format!("{}/nowhere", self.shown)
    }

    /// All that is kept, for handing it on.
    pub(crate) fn list(&mut self) -> Vec<(ActionId, Record)> {
        let view = self.view.clone();
        if self.dir.is_dir() { self.open().and_then(|store| store.list(&view)).unwrap_or_default() } else { Vec::new() }
    }

    /// How much is kept, of all toolchains.
    pub(crate) fn count(&mut self) -> u64 {
        if self.dir.is_dir() { self.open().and_then(Store::take_census).map_or(0, |census| census.entries) } else { 0 }
    }

    /// The file of an output.
    pub(crate) fn file(&mut self, record: &Record) -> Option<PathBuf> {
        self.open().ok()?.object(&record.output, record.size).ok()?
    }

    /// Forgets an action that was handed on. Its file stays, as its path was told to cmd/go.
    pub(crate) fn forget(&mut self, action: &ActionId, record: &Record) {
        let view = self.view.clone();
        // Should it stay, it is handed on once more.
        drop(self.open().and_then(|store| store.forget(&view, action, record)));
    }

    fn hit(&self, record: &Record) -> Hit {
        Hit { output: record.output, size: record.size, time: record.time, path: self.path(&record.output) }
    }

    fn path(&self, output: &proto::OutputId) -> String {
        format!("{}/{}", self.shown, Store::object_name(output))
    }
}

fn drain(body: &mut impl Read) -> Result<(), ReceiveError> {
    std::io::copy(body, &mut std::io::sink()).map(drop).map_err(ReceiveError::Body)
}

/// How `dir` is named to cmd/go: beginning with `GOCACHE`, by way of `..` where it lies elsewhere. A path that begins so
/// is copied by `go build -o lib.a`, any other one is made writable and renamed away, out of the cache
/// (cmd/go/internal/work/shell.go `moveOrCopyFile`, Go 1.21-1.27: `strings.HasPrefix(src, cacheDir)`).
fn shown(dir: &Path, gocache: Option<&Path>) -> String {
    let plain = dir.to_string_lossy().into_owned();
    let Some(gocache) = gocache.and_then(Path::to_str) else { return plain };
    if plain.starts_with(gocache) {
        return plain;
    }
    // `..` leads out of the real directory: a link's own parent is another one.
    let Ok(real) = fs::canonicalize(gocache) else { return plain };
    let up = "/..".repeat(real.components().count() - 1);
    format!("{}{up}{plain}", gocache.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_begin_with_gocache_and_lead_to_the_store() {
        let dir = tempfile::tempdir().unwrap();
        let (store, gocache, link) =
            (dir.path().join("store"), dir.path().join("a/b/gocache"), dir.path().join("link"));
        fs::create_dir_all(&store).unwrap();
        fs::create_dir_all(&gocache).unwrap();
        std::os::unix::fs::symlink(&gocache, &link).unwrap();
        for gocache in [&gocache, &link] {
            let path = shown(&store, Some(gocache));
            assert!(path.starts_with(gocache.to_str().unwrap()), "{path}");
            assert_eq!(fs::canonicalize(&path).unwrap(), fs::canonicalize(&store).unwrap(), "{path}");
        }
        let spool = gocache.join("00/nix-gocacheprog-spool");
        assert_eq!(shown(&spool, Some(&gocache)), spool.to_str().unwrap());
        assert_eq!(shown(&store, Some(Path::new("/nowhere/at/all"))), store.to_str().unwrap());
        assert_eq!(shown(&store, None), store.to_str().unwrap());
    }
}
