//! The remote store as the settings have it, and what was fetched and put.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use miss_causes::without_version;
use proto::control::RemoteStatus;
use proto::error::with_causes;
use proto::figures;
use proto::wire::Toolchain;
use remote::keys::{PublicKey, SecretKey, TrustedKeys};
use remote::series::Series;
use remote_sync::memory::{FRAMES, FrameMemory};
use remote_sync::pull::Pulled;
use remote_sync::push::Pushed;
use remote_sync::socket::RemoteObjects;
use settings::{Remote, RemoteWrite};
use store::{Mode, PurgeFilter, Store, View};

use super::daily_bytes::DailyBytes;
use super::prefetch::{Prefetch, Shared};
use super::queue::Queue;
use super::usefulness::Usefulness;
use crate::clock;
use crate::limits::{REMOTE_SILENCE, UPLOAD_PAUSE};
use crate::mutex::lock;

/// systemd's credential with the secret key.
const CREDENTIAL: &str = "remote-secret-key";

/// A remote store.
#[derive(Debug)]
pub(crate) struct Tier {
    pub(super) store: Arc<Store>,
    pub(super) objects: RemoteObjects,
    pub(super) trusted: TrustedKeys,
    /// What signs, and which builds' outputs; `None`: nothing is put.
    pub(super) writer: Option<(SecretKey, RemoteWrite)>,
    pub(super) kept_for: Duration,
    pub(super) uploads: Uploads,
    /// Those that are under way: builds of one name that begin together share one.
    pub(super) prefetches: Mutex<HashMap<Shared, Weak<Prefetch>>>,
    pub(super) usefulness: Arc<Usefulness>,
    /// What all of them hold frames in.
    pub(super) memory: FrameMemory,
    pub(super) daily: DailyBytes,
    url: String,
    counts: Counts,
    /// Why the last prefetch, and the last upload, failed; cleared by one that did not.
    trouble: Mutex<[Option<String>; 2]>,
}

/// What waits to be put.
#[derive(Debug)]
pub(super) struct Uploads {
    pub(super) queue: Queue,
    /// How many wait, as it was seen last.
    pub(super) waiting: AtomicU64,
    pub(super) is_running: AtomicBool,
    /// When the next attempt may begin after one that failed, and the pause after that.
    pub(super) pause: Mutex<(Instant, Duration)>,
}

#[derive(Debug, Default)]
struct Counts {
    fetched: AtomicU64,
    fetched_bytes: AtomicU64,
    put_bytes: AtomicU64,
    uploads: AtomicU64,
}

impl Tier {
    /// The remote store of these settings. `credentials` is systemd's directory. What is wrong with the secret key is logged: then nothing
    /// is put.
    pub(crate) fn open(store: Arc<Store>, settings: &Remote, credentials: Option<&Path>) -> Self {
        let writer = match &settings.write {
            RemoteWrite::Never => None,
            write => secret_key(settings.secret_key_file.as_deref(), credentials)
                .inspect_err(|e| log::error!("{e}: nothing is put into the remote store"))
                .ok()
                .map(|key| (key, write.clone())),
        };
        let tier = Self {
            objects: RemoteObjects::new(settings.socket.clone(), REMOTE_SILENCE),
            trusted: TrustedKeys::new(settings.trusted_public_keys()),
            writer,
            kept_for: settings.kept_for(),
            uploads: Uploads {
                queue: Queue::new(&store),
                waiting: AtomicU64::new(0),
                is_running: AtomicBool::new(false),
                pause: Mutex::new((Instant::now(), UPLOAD_PAUSE.0)),
            },
            prefetches: Mutex::default(),
            usefulness: Arc::default(),
            memory: FrameMemory::new(FRAMES),
            daily: DailyBytes::new(&store, settings.daily_bytes()),
            url: settings.url.as_str().to_owned(),
            counts: Counts::default(),
            trouble: Mutex::default(),
            store,
        };
        log::info!("using the remote store {}", tier.url);
        tier
    }

    /// Whether what a build of this name used is put.
    pub(crate) fn writes(&self, name: &str) -> bool {
        self.writer.as_ref().is_some_and(|(_, write)| write.admits(without_version(name)))
    }

    /// Keeps how many bytes there were today, after a prefetch or an upload.
    pub(super) fn keep_bytes(&self) {
        self.daily.add(self.objects.take_bytes(), clock::now());
        self.daily.keep(&self.store);
    }

    pub(super) fn note_pull(&self, pulled: &Pulled) {
        self.counts.fetched.fetch_add(pulled.admitted, Relaxed);
        self.counts.fetched_bytes.fetch_add(pulled.bytes, Relaxed);
        let failed = (pulled.failed > 0).then(|| "a part could not be fetched; the log says what".to_owned());
        lock(&self.trouble)[0] = failed;
    }

    pub(super) fn note_put(&self, bytes: u64) {
        self.counts.put_bytes.fetch_add(bytes, Relaxed);
    }

    /// An upload ended well.
    pub(super) fn note_upload(&self, pushed: &Pushed) {
        self.counts.uploads.fetch_add(pushed.is_new.into(), Relaxed);
        self.note_write(None);
    }

    pub(super) fn note_failed_pull(&self, error: &(dyn std::error::Error + 'static)) {
        lock(&self.trouble)[0] = Some(with_causes(error));
    }

    pub(super) fn note_write(&self, error: Option<&(dyn std::error::Error + 'static)>) {
        lock(&self.trouble)[1] = error.map(with_causes);
    }

    /// Why nothing is fetched or put until tomorrow: the bytes of today are used up.
    pub(super) fn used_up(&self) -> Option<String> {
        let now = clock::now();
        self.daily.add(self.objects.take_bytes(), now);
        let most = self.daily.used_up(now)?;
        Some(format!("the bytes of today (UTC) are used up: remote.daily-bytes allows {}", figures::bytes(most)))
    }

    /// What the status says of it.
    pub(crate) fn status(&self) -> RemoteStatus {
        let of = |count: &AtomicU64| count.load(Relaxed);
        RemoteStatus {
            url: self.url.clone(),
            fetched: of(&self.counts.fetched),
            fetched_bytes: of(&self.counts.fetched_bytes),
            put_bytes: of(&self.counts.put_bytes),
            uploads: of(&self.counts.uploads),
            waiting: of(&self.uploads.waiting),
            trouble: self.used_up().or_else(|| lock(&self.trouble).iter().rev().flatten().next().cloned()),
        }
    }
}

/// Builds of this name with this toolchain, and what they share with all users; `None` where the toolchain is outside of the Nix store: what
/// it makes is for this machine.
pub(super) fn series(toolchain: &Toolchain, name: &str) -> Option<(Series, View)> {
    let is_of_nix = toolchain.goroot.starts_with("/nix/store/") && toolchain.content.is_empty();
    let view = View::common(toolchain);
    let series = Series::new("common", view.reads.first()?.toolchain(), without_version(name)).ok()?;
    is_of_nix.then_some((series, view))
}

/// The secret key, of a file or of systemd.
fn secret_key(file: Option<&Path>, credentials: Option<&Path>) -> Result<SecretKey, String> {
    let path = file.map(Path::to_owned).or_else(|| credentials.map(|dir| dir.join(CREDENTIAL)));
    let path: PathBuf = path.ok_or("remote.write needs remote.secret-key-file, or the credential remote-secret-key")?;
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    if text.trim().is_empty() {
        // A credential is empty where the file is missing from which the unit takes it (nixos/units.nix).
        return Err(format!(
            "{}: there is no key in it (docs/how-to/remote-store.md says where it has to be)",
            path.display()
        ));
    }
    text.parse().map_err(|e| format!("{}: {e}", path.display()))
}

/// Removes what keys signed that were trusted before and are not now. Serving it ended when the settings were read.
pub(crate) fn forget_removed_keys(store: &Store, trusted: &TrustedKeys) {
    let file = store.root().join("remote").join("trusted");
    let now: Vec<_> = trusted.iter().map(ToString::to_string).collect();
    let before = fs::read_to_string(&file).unwrap_or_default();
    // A key with another name is the same.
    let is_trusted = |key: &PublicKey| trusted.iter().any(|one| one.signing_key() == key.signing_key());
    let known = before.lines().filter_map(|line| line.parse::<PublicKey>().ok());
    let gone: Vec<_> = known.filter(|key| !is_trusted(key)).collect();
    let mut failed = None;
    if !gone.is_empty() {
        let filter = PurgeFilter::SignedBy(gone.iter().map(PublicKey::signing_key).collect());
        match store.evictor().purge(&filter, clock::now(), Mode::Apply, &mut |_| {}) {
            Ok(purged) if purged.errors.is_empty() => {
                log::warn!("removed {} entries: their keys are no longer trusted", purged.entries);
            }
            Ok(purged) => failed = Some(purged.errors.join("; ")),
            Err(e) => failed = Some(with_causes(&e)),
        }
    }
    let mut known = now;
    if let Some(why) = failed {
        log::error!("removing entries of keys that are no longer trusted: {why}; the next start tries again");
        known.extend(gone.iter().map(ToString::to_string));
    }
    note_trusted(store, &file, (&before, &known.join("\n")));
}

fn note_trusted(store: &Store, file: &Path, (before, text): (&str, &str)) {
    if text != before {
        let made = remote_sync::make_dir(&store.root().join("remote"));
        let written = made
            .map_err(|e| e.to_string())
            .and_then(|()| store.write_file(file, text.as_bytes()).map_err(|e| with_causes(&e)));
        written.unwrap_or_else(|e| log::warn!("{}: {e}", file.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{ActionId, Output, OutputId, SigningKey};
    use sha2::{Digest, Sha256};
    use std::time::SystemTime;
    use store::{Access, Origin, Put, Replaces};

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed("ci", &[seed; 32]).unwrap().public()
    }

    fn put(store: &Store, n: u8, key: Option<SigningKey>) {
        let body = [n; 10];
        let output = Output { id: OutputId(Sha256::digest(body).into()), size: 10 };
        let mut staged = store.stage(output, &mut &body[..], &mut Vec::new()).unwrap();
        let view = View::common(&Toolchain::default());
        let origin = Origin { key, ..view.origin(None, "") };
        let put = Put {
            action: ActionId([n; 32]),
            time: SystemTime::UNIX_EPOCH,
            cost_ms: 0,
            origin: &origin,
            condition: None,
            replaces: Replaces::Nothing,
        };
        store.put(&view, &put, &mut staged).unwrap();
    }

    #[test]
    fn what_a_key_signed_goes_with_the_key() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Access::Owner).unwrap();
        put(&store, 1, None);
        put(&store, 2, Some(key(2).signing_key()));
        put(&store, 3, Some(key(3).signing_key()));
        let left = |trusted: &[PublicKey]| {
            forget_removed_keys(&store, &TrustedKeys::new(trusted.to_vec()));
            let all = store.list(&View::common(&Toolchain::default())).unwrap();
            let mut left: Vec<_> = all.iter().map(|(action, ..)| action.0[0]).collect();
            left.sort_unstable();
            left
        };
        assert_eq!(left(&[key(2), key(3)]), [1, 2, 3]);
        assert_eq!(left(&[key(3)]), [1, 3]);
        assert_eq!(left(&[]), [1], "the last one too");
    }

    #[test]
    fn a_secret_key_is_read_from_a_file_or_from_systemd() {
        let dir = tempfile::tempdir().unwrap();
        let (seed, file) = ([7; 32], dir.path().join(CREDENTIAL));
        assert!(secret_key(None, None).unwrap_err().contains("remote.secret-key-file"));
        assert!(secret_key(None, Some(dir.path())).unwrap_err().contains(CREDENTIAL));
        fs::write(&file, SecretKey::from_seed("ci", &seed).unwrap().text(&seed)).unwrap();
        let public = |read: Result<SecretKey, String>| read.unwrap().public();
        assert_eq!(public(secret_key(None, Some(dir.path()))), key(7));
        assert_eq!(public(secret_key(Some(&file), None)), key(7));
        fs::write(&file, "\n").unwrap();
        assert!(secret_key(None, Some(dir.path())).unwrap_err().contains("no key"));
        fs::write(&file, key(7).to_string()).unwrap();
        assert!(secret_key(Some(&file), None).unwrap_err().contains("public key"));
    }
}
