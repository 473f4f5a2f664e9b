//! Build profiles on the disk: one file a build, of which the oldest are removed. The daemon hands them on; comparing them is for
//! the reader.
//!
//! Their names in the state directory are older: `accounts`.

use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use proto::control::BuildStatus;
use proto::error::with_causes;
use proto::limits;
use proto::profile::BuildProfile;
use store::{Partition, Store, keep_newest, open_given};

use super::make::make;
use super::other_users::OtherUsers;
use super::refresh::{LiveProfile, Requester, TimeBudget};
use crate::limits::{PROFILES, PROFILES_BYTES};
use crate::mutex::lock;
use crate::telemetry::condition_parts::ConditionParts;

/// The directory of the profiles of ended builds, in the state directory.
const DIRECTORY: &str = "accounts";

/// The file of a live build's profile, in the build's directory.
const LIVE_FILE: &str = "account.json";

/// All profiles of a state directory.
#[derive(Debug)]
pub(crate) struct ProfileStore {
    store: Arc<Store>,
    /// What conditions are made of.
    parts: Arc<ConditionParts>,
    dir: PathBuf,
    /// Held while the profile of an ended build is made: one at a time, as it takes memory.
    making_ended: Mutex<()>,
    /// Held while one is made for unprivileged users: one at a time too, and no other thread waits for it.
    unprivileged: Mutex<TimeBudget>,
}

impl ProfileStore {
    pub(crate) fn new(store: Arc<Store>, parts: Arc<ConditionParts>) -> Self {
        let dir = store.root().join(DIRECTORY);
        match fs::create_dir(&dir) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => log::warn!("{}: {e}", dir.display()),
            _ => {}
        }
        Self { store, parts, dir, making_ended: Mutex::default(), unprivileged: Mutex::new(TimeBudget::new()) }
    }

    /// Makes and keeps the profile of an ended build, whose directory is `dir` now. `own` is the partition that it read beside the
    /// common one.
    pub(crate) fn save_ended(&self, build: BuildStatus, own: Option<Partition>, dir: &Path) {
        if build.counts.gets + build.counts.puts == 0 {
            return; // no go command used the cache: there is nothing to explain
        }
        let _one_at_a_time = lock(&self.making_ended);
        let path = self.path(&build.short);
        let saved = self.made(build, own, dir).and_then(|profile| self.write(&profile, &path));
        if let Err(e) = saved.and_then(|()| keep_newest(&self.dir, PROFILES, PROFILES_BYTES)) {
            log::warn!("{}: {e}", path.display());
        }
    }

    /// The profile of a live build, made again where the build went on. Unprivileged users get the last one while their time is
    /// spent.
    ///
    /// # Errors
    /// Where it cannot be written, and where there is none for an unprivileged user now.
    pub(crate) fn open_live(
        &self,
        (status, live): (BuildStatus, &LiveProfile),
        (own, dir): (Option<Partition>, &Path),
        requester: Requester,
    ) -> io::Result<File> {
        // The trace has the first request of each action, and the counts have all.
        let done = fs::metadata(dir.join("trace"))?.len() + status.counts.gets + status.counts.puts;
        let path = dir.join(LIVE_FILE);
        if live.is_fresh(done, Instant::now()) {
            return File::open(path);
        }
        let make = |began| self.make_live((status, live), (own, dir), (done, began));
        match (requester, self.unprivileged.try_lock()) {
            // A build asks once, at its end, and one of them at a time (builds/registry.rs).
            (Requester::Admin | Requester::Build, _) => make(Instant::now())?,
            (Requester::Anyone, Ok(mut budget)) if budget.allows(Instant::now()) => {
                let began = Instant::now();
                let made = make(began);
                budget.spend(began.elapsed(), Instant::now());
                made?;
            }
            (Requester::Anyone, _) if live.exists() => {}
            (Requester::Anyone, _) => {
                return Err(io::Error::other("profiles are being made for others: ask again in a moment"));
            }
        }
        File::open(path)
    }

    fn make_live(
        &self,
        (status, live): (BuildStatus, &LiveProfile),
        (own, dir): (Option<Partition>, &Path),
        (done, now): (u64, Instant),
    ) -> io::Result<()> {
        let profile = self.made(status, own, dir)?;
        live.replace(done, now, || self.write(&profile, &dir.join(LIVE_FILE)))
    }

    /// The profile of an ended build, by [`BuildStatus::short`].
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn open_ended(&self, short: &str) -> io::Result<File> {
        File::open(self.path(short))
    }

    /// `short` comes from outside: what is not a short id leads to no file.
    fn path(&self, short: &str) -> PathBuf {
        let is_short_id = short.len() == 8 && short.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.dir.join(if is_short_id { format!("{short}.json") } else { "none".to_owned() })
    }

    /// The profile of the build in this directory, as JSON.
    fn made(&self, build: BuildStatus, own: Option<Partition>, dir: &Path) -> io::Result<Vec<u8>> {
        let trace = BufReader::new(File::open(dir.join("trace"))?);
        let mut others = OtherUsers::new(&self.store, own, build.started);
        Ok(bounded(make(
            build,
            trace,
            &|output| open_given(dir, output).ok(),
            &|digest| self.parts.read(digest),
            &mut others,
        )))
    }

    fn write(&self, profile: &[u8], path: &Path) -> io::Result<()> {
        self.store.write_file(path, profile).map_err(|e| io::Error::other(with_causes(&e)))
    }
}

/// The profile as JSON. One that is too long is cut to half until it is not.
fn bounded(mut profile: BuildProfile) -> Vec<u8> {
    loop {
        // Serialising plain data into memory cannot fail.
        let json = serde_json::to_vec(&profile).unwrap_or_default();
        if json.len() as u64 <= limits::BUILD_PROFILE {
            return json;
        }
        let (packages, others) = (profile.packages.len() / 2, profile.others.len() / 2);
        profile.left_out += (profile.packages.len() - packages + profile.others.len() - others) as u64;
        profile.packages.truncate(packages);
        profile.others.truncate(others);
        let (conditions, rejections) = (profile.conditions.len() / 2, profile.rejections.len() / 2);
        profile.conditions.truncate(conditions);
        profile.rejections.truncate(rejections);
        for package in &mut profile.packages {
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
    fn a_long_profile_is_cut_and_counts_what_is_left_out() {
        let package = |n: u32| Package { path: "p".repeat(500), imports: vec![n / 2, n], ..Package::default() };
        let profile = BuildProfile {
            packages: (0..10_000).map(package).collect(),
            others: vec![Other::default(); 100],
            ..BuildProfile::default()
        };
        let json = bounded(profile);
        assert!(json.len() as u64 <= limits::BUILD_PROFILE);
        let read: BuildProfile = serde_json::from_slice(&json).unwrap();
        assert_eq!(read.packages.len() + read.others.len(), 10_100 - read.left_out as usize);
        assert!(read.packages.iter().flat_map(|p| &p.imports).all(|&n| (n as usize) < read.packages.len()));
    }

    #[test]
    fn an_id_from_outside_leads_to_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state"), Access::Owner).unwrap();
        fs::write(store.root().join("secret.json"), "x").unwrap();
        let store = Arc::new(store);
        let profiles = ProfileStore::new(store.clone(), Arc::new(ConditionParts::new(store)));
        for name in ["../secret", "", "/etc/passwd", "..", "0123456\u{e9}"] {
            assert!(profiles.open_ended(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_oldest_profiles_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state"), Access::Owner).unwrap();
        let store = Arc::new(store);
        let profiles = ProfileStore::new(store.clone(), Arc::new(ConditionParts::new(store)));
        let build = dir.path().join("build");
        fs::create_dir_all(build.join("view/o")).unwrap();
        fs::write(build.join("trace"), "").unwrap();
        for n in 0..PROFILES + 3 {
            let mut status = BuildStatus { short: format!("{n:08x}"), ..BuildStatus::default() };
            status.counts.gets = 1;
            profiles.save_ended(status, None, &build);
            // As if it were older: files made within a tick have one time.
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(n as u64);
            profiles.open_ended(&format!("{n:08x}")).and_then(|file| file.set_modified(time)).unwrap();
        }
        let there: Vec<_> = [2, 3, PROFILES + 2].map(|n| profiles.open_ended(&format!("{n:08x}")).is_ok()).into();
        assert_eq!(there, [false, true, true]);
        assert_eq!(fs::read_dir(&profiles.dir).unwrap().count(), PROFILES);
    }
}
