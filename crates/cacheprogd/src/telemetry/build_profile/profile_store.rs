//! Accounts on the disk: one file a build, the oldest removed. Who wants to compare reads them; the daemon only hands them on.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use proto::control::BuildStatus;
use proto::limits;
use proto::profile::BuildProfile;
use store::Store;

use super::live::{Allowance, Asker, Live};
use super::make;
use crate::error::chain;
use crate::sync::lock;

/// Accounts kept: as many builds as the history has. And their bytes: builds choose how long theirs are.
const MOST: usize = 100;
const MOST_BYTES: u64 = 64 << 20;

/// All accounts of a state directory.
#[derive(Debug)]
pub(crate) struct Saved {
    store: Arc<Store>,
    dir: PathBuf,
    /// Held while the account of a build that ended is made: one at a time, as it takes memory.
    concluding: Mutex<()>,
    /// Held while one is made for strangers: one at a time too, and nobody else waits for it.
    strangers: Mutex<Allowance>,
}

impl Saved {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        let dir = store.root().join("accounts");
        match fs::create_dir(&dir) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => log::warn!("{}: {e}", dir.display()),
            _ => {}
        }
        Self { store, dir, concluding: Mutex::default(), strangers: Mutex::new(Allowance::new()) }
    }

    /// Makes and keeps the account of a build that ended, whose directory is `dir` now.
    pub(crate) fn conclude(&self, build: BuildStatus, dir: &Path) {
        if build.counts.gets + build.counts.puts == 0 {
            return; // no go command came to the cache: there is nothing to explain
        }
        let _one_at_a_time = lock(&self.concluding);
        let path = self.path(&build.short);
        let kept = Self::made(build, dir).and_then(|account| self.keep(&account, &path));
        if let Err(e) = kept.and_then(|()| self.prune()) {
            log::warn!("{}: {e}", path.display());
        }
    }

    /// The account of a live build, made again where the build went on. Strangers are shown the last one while that is not for
    /// them to cause.
    ///
    /// # Errors
    /// Where it cannot be written, and where there is none that strangers may be shown.
    pub(crate) fn of_live(&self, (status, live): (BuildStatus, &Live), dir: &Path, asker: Asker) -> io::Result<File> {
        // The trace has the first request of each action, and the counts have all.
        let done = fs::metadata(dir.join("trace"))?.len() + status.counts.gets + status.counts.puts;
        let path = dir.join("account.json");
        if live.is_fresh(done, Instant::now()) {
            return File::open(path);
        }
        let make = |began| self.make_live((status, live), dir, (done, began));
        match (asker, self.strangers.try_lock()) {
            // A build has its turn when others ask next: its own is short.
            (Asker::Ours | Asker::Build, _) => make(Instant::now())?,
            (Asker::Anyone, Ok(mut allowance)) if allowance.allows(Instant::now()) => {
                let began = Instant::now();
                let made = make(began);
                allowance.spend(began.elapsed(), Instant::now());
                made?;
            }
            (Asker::Anyone, _) if live.is_made() => {}
            (Asker::Anyone, _) => {
                return Err(io::Error::other("accounts are being made for others: ask again in a moment"));
            }
        }
        File::open(path)
    }

    fn make_live(
        &self,
        (status, live): (BuildStatus, &Live),
        dir: &Path,
        (done, now): (u64, Instant),
    ) -> io::Result<()> {
        let account = Self::made(status, dir)?;
        live.replace(done, now, || self.keep(&account, &dir.join("account.json")))
    }

    /// The account of a build that ended, by [`BuildStatus::short`].
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn open(&self, short: &str) -> io::Result<File> {
        File::open(self.path(short))
    }

    /// `short` comes from outside: what is no name of ours names no file.
    fn path(&self, short: &str) -> PathBuf {
        let is_ours = short.len() == 8 && short.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.dir.join(if is_ours { format!("{short}.json") } else { "none".to_owned() })
    }

    /// The account of a build in this directory, as JSON.
    fn made(build: BuildStatus, dir: &Path) -> io::Result<Vec<u8>> {
        let trace = BufReader::new(File::open(dir.join("trace"))?);
        Ok(bounded(make(build, trace, &dir.join("view/o"))))
    }

    fn keep(&self, account: &[u8], at: &Path) -> io::Result<()> {
        self.store.write_file(at, account).map_err(|e| io::Error::other(chain(&e)))
    }

    fn prune(&self) -> io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            all.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        all.sort();
        let mut bytes = 0;
        for (n, (_, size, path)) in all.iter().rev().enumerate() {
            bytes += size;
            if n >= MOST || bytes > MOST_BYTES {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// The account as JSON; of one that is too long, half as much until it is not.
fn bounded(mut account: BuildProfile) -> Vec<u8> {
    loop {
        // Serialising plain data into memory cannot fail.
        let json = serde_json::to_vec(&account).unwrap_or_default();
        if json.len() as u64 <= limits::BUILD_PROFILE {
            return json;
        }
        let (packages, others) = (account.packages.len() / 2, account.others.len() / 2);
        account.left_out += (account.packages.len() - packages + account.others.len() - others) as u64;
        account.packages.truncate(packages);
        account.others.truncate(others);
        for package in &mut account.packages {
            let known = package.imports.len();
            package.imports.retain(|&import| (import as usize) < packages);
            package.unknown_imports += u32::try_from(known - package.imports.len()).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::profile::{Other, Package};
    use store::Access;

    #[test]
    fn a_long_account_is_cut_and_says_so() {
        let package = |n: u32| Package { path: "p".repeat(500), imports: vec![n / 2, n], ..Package::default() };
        let account = BuildProfile {
            packages: (0..10_000).map(package).collect(),
            others: vec![Other::default(); 100],
            ..BuildProfile::default()
        };
        let json = bounded(account);
        assert!(json.len() as u64 <= limits::BUILD_PROFILE);
        let read: BuildProfile = serde_json::from_slice(&json).unwrap();
        assert_eq!(read.packages.len() + read.others.len(), 10_100 - read.left_out as usize);
        assert!(read.packages.iter().flat_map(|p| &p.imports).all(|&n| (n as usize) < read.packages.len()));
    }

    #[test]
    fn a_name_from_outside_names_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("secret.json"), "x").unwrap();
        let store = Store::open(&dir.path().join("state"), Access::Owner).unwrap();
        let saved = Saved::new(Arc::new(store));
        for name in ["../secret", "", "/etc/passwd", "..", "0123456\u{e9}"] {
            assert!(saved.open(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_oldest_accounts_go() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state"), Access::Owner).unwrap();
        let saved = Saved::new(Arc::new(store));
        let build = dir.path().join("build");
        fs::create_dir_all(build.join("view/o")).unwrap();
        fs::write(build.join("trace"), "").unwrap();
        for n in 0..MOST + 3 {
            let mut status = BuildStatus { short: format!("{n:08x}"), ..BuildStatus::default() };
            status.counts.gets = 1;
            saved.conclude(status, &build);
            // As if it were older: files made within a tick have one time.
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            saved.open(&format!("{n:08x}")).and_then(|file| file.set_modified(time)).unwrap();
        }
        let there: Vec<_> = [2, 3, MOST + 2].map(|n| saved.open(&format!("{n:08x}")).is_ok()).into();
        assert_eq!(there, [false, true, true]);
        assert_eq!(fs::read_dir(&saved.dir).unwrap().count(), MOST);
    }
}
