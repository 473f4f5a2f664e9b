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
use remote::keys::{SecretKey, TrustedKeys};
use remote::series::Series;
use remote_sync::frame_memory::{FRAMES, FrameMemory};
use remote_sync::pull::Pulled;
use remote_sync::push::Pushed;
use remote_sync::socket::RemoteObjects;
use settings::{Remote, RemoteWrite};
use store::{Limits, Store, View};

use super::daily_bytes::DailyBytes;
use super::prefetch::{Prefetch, Shared};
use super::upload_queue::Queue;
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
    pub(super) limits: Limits,
    pub(super) objects: RemoteObjects,
    pub(super) trusted: TrustedKeys,
    /// What signs, and which builds' outputs; `None`: nothing is put.
    pub(super) writer: Option<(SecretKey, RemoteWrite)>,
    pub(super) kept_for: Duration,
    pub(super) uploads: Uploads,
    /// Those that are under way: builds of one name that begin together share one.
    pub(super) prefetches: Mutex<HashMap<Shared, Weak<Prefetch>>>,
    /// Held once more by each prefetch on demand.
    pub(super) on_demand: Arc<()>,
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
    /// The remote store of these settings, for a store that is kept within the limits. `credentials` is systemd's directory. What is wrong
    /// with the secret key is logged: then nothing is put.
    pub(crate) fn open((store, limits): (Arc<Store>, Limits), settings: &Remote, credentials: Option<&Path>) -> Self {
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
            on_demand: Arc::default(),
            usefulness: Arc::default(),
            memory: FrameMemory::new(FRAMES),
            daily: DailyBytes::new(&store, settings.daily_bytes()),
            url: settings.url.as_str().to_owned(),
            counts: Counts::default(),
            trouble: Mutex::default(),
            store,
            limits,
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
            requests: self.objects.requests(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use remote::keys::PublicKey;

    fn key(seed: u8) -> PublicKey {
        SecretKey::from_seed("ci", &[seed; 32]).unwrap().public()
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
