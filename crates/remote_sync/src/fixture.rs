//! A remote store in memory, and local ones with a few entries.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use proto::wire::Toolchain;
use proto::{ActionId, Condition, Output, OutputId, Scope, ScopeDigest, scopes};
use remote::keys::{SecretKey, TrustedKeys};
use remote::series::{STD, Series};
use sha2::{Digest, Sha256};
use store::{Access, Conditional, Limits, Published, Put, Replaces, Size, Store, View};

use crate::frame_memory::FrameMemory;
use crate::objects::{Body, ObjectError, Objects};
use crate::pull::{Pull, Pulled};
use crate::push::{Found, Push, Pushed, Used};

/// When tests take place, in seconds since 1970.
pub(crate) const NOW: u64 = 1_790_000_000;

/// When what builds of this machine put was used last.
pub(crate) const USED: u64 = NOW - 50;

pub(crate) fn later(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW + seconds)
}

/// How long the remote store keeps things.
pub(crate) const PERIOD: u64 = 30 * 24 * 3600;

/// What a remote store does to a body that it gives.
pub(crate) type Fault = fn(&str, Vec<u8>) -> Vec<u8>;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Methods and names of all requests.
    pub(crate) log: Mutex<Vec<String>>,
    /// For so many gets.
    pub(crate) faults: Mutex<(usize, Option<Fault>)>,
    /// So many gets are denied.
    pub(crate) denied: AtomicUsize,
}

impl Memory {
    pub(crate) fn fail(&self, times: usize, fault: Fault) {
        *self.faults.lock().unwrap() = (times, Some(fault));
    }

    pub(crate) fn deny(&self, times: usize) {
        self.denied.store(times, Relaxed);
    }

    /// The requests since the last call.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    pub(crate) fn names(&self, beginning: &str) -> Vec<String> {
        self.objects.lock().unwrap().keys().filter(|name| name.starts_with(beginning)).cloned().collect()
    }
}

impl Objects for Memory {
    fn get(&self, name: &str, range: Option<Range<u64>>) -> Result<Option<Body<'_>>, ObjectError> {
        self.log.lock().unwrap().push(format!("GET {name}"));
        if self.denied.load(Relaxed) > 0 {
            self.denied.fetch_sub(1, Relaxed);
            return Err(ObjectError::Denied("status 403".into()));
        }
        let Some(mut bytes) = self.objects.lock().unwrap().get(name).cloned() else { return Ok(None) };
        if let Some(range) = range {
            bytes = bytes[range.start as usize..range.end as usize].to_vec();
        }
        let mut faults = self.faults.lock().unwrap();
        if let (1.., Some(fault)) = *faults {
            faults.0 -= 1;
            bytes = fault(name, bytes);
        }
        Ok(Some(Box::new(Cursor::new(bytes)) as Box<dyn Read + Send>))
    }

    fn put(&self, name: &str, body: &[u8]) -> Result<(), ObjectError> {
        self.log.lock().unwrap().push(format!("PUT {name}"));
        self.objects.lock().unwrap().insert(name.to_owned(), body.to_vec());
        Ok(())
    }
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed("ci-1", &[seed; 32]).unwrap()
}

pub(crate) fn trusted(seeds: &[u8]) -> TrustedKeys {
    TrustedKeys::new(seeds.iter().map(|&seed| key(seed).public()).collect())
}

pub(crate) fn view() -> View {
    View::common(&Toolchain { goroot: "/go".into(), ..Toolchain::default() })
}

pub(crate) fn series(name: &str) -> Series {
    Series::new("common", view().reads[0].toolchain(), name).unwrap()
}

pub(crate) fn store(dir: &Path) -> Store {
    Store::open(dir, Access::Owner).unwrap()
}

pub(crate) fn action(n: u8) -> ActionId {
    ActionId([n; 32])
}

pub(crate) fn asm() -> Option<Condition> {
    Some(Condition { scope: Scope::asm("example.test/m", None).unwrap(), digest: ScopeDigest([1; 32]) })
}

/// Of Go's own packages.
pub(crate) fn std() -> Option<Condition> {
    Some(Condition { scope: scopes::ASM_STD, digest: ScopeDigest([1; 32]) })
}

pub(crate) fn with_c() -> Option<Condition> {
    Some(Condition { scope: Scope::module("example.test/m", None).unwrap(), digest: ScopeDigest([1; 32]) })
}

/// A build of this machine puts an output.
pub(crate) fn put(store: &Store, n: u8, body: &[u8], condition: Option<&Condition>) {
    assert_eq!(put_under(store, n, body, condition), Published::New);
    store.mark_unused_since(&view(), &action(n), UNIX_EPOCH + Duration::from_secs(USED));
}

/// The same, where there is something already.
pub(crate) fn put_again(store: &Store, n: u8, body: &[u8], expected: &Published) {
    assert_eq!(put_under(store, n, body, None), *expected);
}

fn put_under(store: &Store, n: u8, body: &[u8], condition: Option<&Condition>) -> Published {
    let output = Output { id: OutputId(Sha256::digest(body).into()), size: body.len() as u64 };
    let mut staged = store.stage(output, &mut &body[..], &mut Vec::new()).unwrap();
    let (origin, time) = (view().origin(None, ""), UNIX_EPOCH + Duration::from_secs(NOW - 100));
    let put =
        Put { action: action(n), time, cost_ms: n.into(), origin: &origin, condition, replaces: Replaces::Nothing };
    store.put(&view(), &put, &mut staged).unwrap()
}

/// The bodies that a build finds, by action, with and without conditions.
pub(crate) fn found(store: &Store) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    for (action, record, _) in store.list(&view()).unwrap() {
        let path = store.object(record.output).unwrap().unwrap();
        all.push((action.0[0], std::fs::read(path).unwrap()));
    }
    all.sort();
    all
}

/// Puts all that is there.
pub(crate) fn push(store: &Store, objects: &Memory, name: &str, change: impl FnOnce(&mut Push<'_>)) -> Pushed {
    push_after(store, objects, (name, &[], 1), change)
}

/// The same under a name, with bases, by the key of a seed.
pub(crate) fn push_after(
    store: &Store,
    objects: &Memory,
    from: (&str, &[Series], u8),
    change: impl FnOnce(&mut Push<'_>),
) -> Pushed {
    push_used((store, Used::Since(SystemTime::UNIX_EPOCH)), objects, from, change)
}

/// The same, of this.
pub(crate) fn push_used(
    (store, used): (&Store, Used<'_>),
    objects: &Memory,
    (name, bases, seed): (&str, &[Series], u8),
    change: impl FnOnce(&mut Push<'_>),
) -> Pushed {
    let (view, series, key) = (view(), series(name), key(seed));
    let mut push = Push {
        store,
        view: &view,
        series: &series,
        bases,
        key: &key,
        objects,
        found: &Found::default(),
        used,
        conditional: Conditional::OfAssembly,
        indexes: false,
        now: NOW,
        period: PERIOD,
    };
    change(&mut push);
    push.run().unwrap()
}

/// Fetches what the keys of these seeds signed.
pub(crate) fn pull(store: &Store, objects: &Memory, name: &str, seeds: &[u8]) -> Pulled {
    pull_with(store, objects, name, (seeds, Conditional::OfAssembly))
}

/// The same, with these conditions.
pub(crate) fn pull_with(
    store: &Store,
    objects: &Memory,
    name: &str,
    (seeds, conditional): (&[u8], Conditional),
) -> Pulled {
    with_pull((store, objects), name, (seeds, conditional), |pull| pull.run().unwrap())
}

/// What fetches it, and does something else.
pub(crate) fn with_pull<T>(
    (store, objects): (&Store, &Memory),
    name: &str,
    (seeds, conditional): (&[u8], Conditional),
    act: impl FnOnce(&Pull<'_>) -> T,
) -> T {
    let ([std, series], trusted) = ([STD, name].map(series), trusted(seeds));
    let view = view().trusting(trusted.signing_keys());
    let until = Instant::now() + Duration::from_secs(3600);
    let trusted = &trusted;
    let progress = &();
    act(&Pull {
        store,
        limits: Limits { min_free: Size::Bytes(0), ..Limits::default() },
        view: &view,
        series: &[series],
        std: Some(&std),
        trusted,
        objects,
        conditional,
        indexes: false,
        now: NOW,
        until,
        progress,
        memory: &FrameMemory::new(1),
    })
}
