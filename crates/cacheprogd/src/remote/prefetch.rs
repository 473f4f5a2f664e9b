//! What is fetched for a build while it unpacks: begun when it is registered, if its toolchain is known then, else when its first go command
//! says hello. A get for what is on its way waits a little; what no index names is a miss at once.

use std::collections::HashMap;
use std::env::consts::ARCH;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread;
use std::time::{Duration, Instant};

use proto::ActionId;
use proto::error::with_causes;
use proto::wire::Toolchain;
use remote::index::Entry;
use remote::series::{STD, Series};
use remote_sync::pull::{Progress, Pull};
use store::{Conditional, View};

use super::tier::{Tier, series};
use super::usefulness::Fetched;
use crate::clock;
use crate::limits::{PREFETCH_STACK, PREFETCH_TIME, PREFETCHES, PREFETCHES_PER_BUILD, REMOTE_LATE, REMOTE_WAIT};
use crate::mutex::lock;

/// Prefetches of one build, by the toolchain's part of the namespace.
#[derive(Debug, Default)]
pub(crate) struct Prefetches(Mutex<HashMap<String, Arc<Prefetch>>>);

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Prefetch {
    /// Held for one look or change.
    state: Mutex<State>,
    /// Waits in a row that were in vain.
    late: AtomicU32,
    changed: Condvar,
    /// Held for one entry.
    fetched: Mutex<Fetched>,
    /// Who is told at the end how much of it was used; `None` for builds whose word does not count.
    reports_to: Option<(Weak<Tier>, Series)>,
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        if let Some((tier, series)) = &self.reports_to
            && let Some(tier) = tier.upgrade()
        {
            tier.usefulness.note(series, &lock(&self.fetched));
        }
    }
}

#[derive(Debug, Default)]
enum State {
    /// It is not known yet what there is.
    #[default]
    Asking,
    /// Of what comes, how many entries, and what compiling it cost its writer, in milliseconds.
    Fetching(HashMap<ActionId, (usize, u32)>),
    Over,
}

/// Who asks for a prefetch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByBuild<'a> {
    pub(crate) name: &'a str,
    /// Whether it writes what all users read. Others share no prefetch with these: an untrusted user's builds could end them for all.
    pub(crate) is_of_all_users: bool,
    pub(crate) prefetches: &'a Prefetches,
}

/// The prefetch of builds of this name with this toolchain, which begins now unless it did before; `None`: nothing is fetched.
pub(crate) fn prefetch(tier: &Arc<Tier>, by: ByBuild<'_>, toolchain: &Toolchain) -> Option<Arc<Prefetch>> {
    tier.trusted.iter().next()?; // who trusts no key takes nothing
    let (series, view) = series(toolchain, by.name)?;
    let namespace = series.toolchain.clone();
    let mut prefetches = lock(&by.prefetches.0);
    if let Some(known) = prefetches.get(&namespace) {
        return Some(known.clone());
    }
    if prefetches.len() >= PREFETCHES_PER_BUILD {
        return None;
    }
    let prefetch = tier.begin_prefetch((series, by.is_of_all_users), toolchain, view)?;
    Some(prefetches.entry(namespace).or_insert(prefetch).clone())
}

/// The toolchain with this `GOROOT`, as its go command tells of itself: cmd/go exports both (Go 1.21-1.27).
pub(crate) fn toolchain_at(goroot: &str) -> Toolchain {
    let architecture = match ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let gotooldir = format!("{goroot}/pkg/tool/linux_{architecture}");
    Toolchain { goroot: goroot.to_owned(), gotooldir, ..Toolchain::default() }
}

impl Tier {
    /// The prefetch of this series, which another build began or which begins now; `None` where there are enough of them, or enough was
    /// fetched today.
    fn begin_prefetch(self: &Arc<Self>, of: Shared, toolchain: &Toolchain, view: View) -> Option<Arc<Prefetch>> {
        let mut running = lock(&self.prefetches);
        // One that is over knows nothing of what was put since.
        if let Some(known) = running.get(&of).and_then(Weak::upgrade).filter(|known| !known.is_over()) {
            return Some(known);
        }
        let most = if of.1 { PREFETCHES } else { PREFETCHES / 2 };
        if running.len() >= most || self.used_up().is_some() || self.usefulness.is_useless(&of.0) {
            return None;
        }
        let prefetch = Arc::new(Prefetch::of(Some(self).filter(|_| of.1), &of.0));
        let (std, view) = (series(toolchain, STD)?.0, view.trusting(self.trusted.signing_keys()));
        let (tier, thread, key) = (self.clone(), prefetch.clone(), of.clone());
        let run = move || {
            let _end = End(&tier, &of, &thread);
            thread.run(&tier, (&of.0, &std, &view));
        };
        let builder = thread::Builder::new().name("prefetch".to_owned()).stack_size(PREFETCH_STACK);
        builder.spawn(run).inspect_err(|e| log::debug!("no prefetch: {e}")).ok()?;
        running.insert(key, Arc::downgrade(&prefetch));
        Some(prefetch)
    }
}

/// Whose builds share a prefetch: those of this series, which write what all users read or do not.
pub(super) type Shared = (Series, bool);

/// The thread ends, in whatever way.
struct End<'a>(&'a Tier, &'a Shared, &'a Prefetch);

impl Drop for End<'_> {
    fn drop(&mut self) {
        *lock(&self.2.state) = State::Over;
        self.2.changed.notify_all();
        lock(&self.0.prefetches).remove(self.1);
    }
}

impl Prefetch {
    fn of(tier: Option<&Arc<Tier>>, series: &Series) -> Self {
        Self {
            state: Mutex::default(),
            late: AtomicU32::new(0),
            changed: Condvar::new(),
            fetched: Mutex::default(),
            reports_to: tier.map(|tier| (Arc::downgrade(tier), series.clone())),
        }
    }

    fn run(&self, tier: &Tier, (series, std, view): (&Series, &Series, &View)) {
        let pull = Pull {
            store: &tier.store,
            view,
            series: std::slice::from_ref(series),
            std: Some(std),
            trusted: &tier.trusted,
            objects: &tier.objects,
            // In a sandbox all that compilers read of the system lies in /nix/store.
            conditional: Conditional::All,
            indexes: true,
            now: clock::unix(clock::now()),
            until: Instant::now() + PREFETCH_TIME,
            progress: self,
            memory: &tier.memory,
        };
        match pull.run() {
            Ok(pulled) => {
                log::debug!("{series}: fetched {} entries, {} bytes", pulled.admitted, pulled.bytes);
                tier.note_pull(&pulled);
            }
            Err(e) => {
                log::warn!("{series}: {}", with_causes(&e));
                tier.note_failed_pull(&e);
            }
        }
        tier.keep_bytes();
    }

    fn is_over(&self) -> bool {
        matches!(*lock(&self.state), State::Over)
    }

    /// A build asks for it now, when it is here as far as it came at all.
    pub(crate) fn note_used(&self, action: &ActionId) {
        lock(&self.fetched).note_used(action);
    }

    /// Whether a get for this action is to wait.
    pub(crate) fn is_awaited(&self, action: &ActionId) -> bool {
        if self.late.load(Relaxed) >= REMOTE_LATE {
            return false;
        }
        match &*lock(&self.state) {
            State::Asking => true,
            State::Fetching(entries) => entries.contains_key(action),
            State::Over => false,
        }
    }

    /// Waits until it is here, or there is none of it; about as long as compiling costs, and no longer than the client waits for a get that
    /// `came` then.
    pub(crate) fn wait(&self, action: &ActionId, came: Instant) {
        let mut until = came + REMOTE_WAIT.1;
        let mut state = lock(&self.state);
        loop {
            match &*state {
                State::Over => return,
                State::Asking => {}
                State::Fetching(entries) => match entries.get(action) {
                    None => return,
                    Some(&(_, cost_ms)) => {
                        until = until.min(came + REMOTE_WAIT.0.max(Duration::from_millis(cost_ms.into())));
                    }
                },
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                self.late.fetch_add(1, Relaxed);
                return;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }
}

impl Progress for Prefetch {
    fn wants(&self, entries: &mut dyn Iterator<Item = &Entry>) {
        let mut wanted = HashMap::new();
        for entry in entries {
            let (number, cost_ms) = wanted.entry(entry.action).or_insert((0, 0));
            *number += 1;
            *cost_ms = entry.cost_ms.max(*cost_ms);
        }
        *lock(&self.state) = State::Fetching(wanted);
        self.changed.notify_all();
    }

    fn done(&self, action: &ActionId, came: bool) {
        if let State::Fetching(entries) = &mut *lock(&self.state)
            && let Some((number, _)) = entries.get_mut(action)
        {
            *number -= 1;
            if *number == 0 {
                entries.remove(action);
            }
        }
        if came {
            lock(&self.fetched).note_fetched(action);
            self.late.store(0, Relaxed);
        }
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::{Output, OutputId};

    fn entry(n: u8, cost_ms: u32) -> Entry {
        let output = Output { id: OutputId([n; 32]), size: 1 };
        Entry { action: ActionId([n; 32]), output, condition: None, cost_ms, time: 0 }
    }

    #[test]
    fn builds_of_one_name_share_a_prefetch_and_the_next_one_asks_again() {
        let dir = tempfile::tempdir().unwrap();
        let (socket, file) = (dir.path().join("socket"), dir.path().join("settings.toml"));
        let silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let key = "example-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let text = format!("[remote]\nurl = 's3://b'\nsocket = {socket:?}\ntrusted-public-keys = ['{key}']\n");
        std::fs::write(&file, text).unwrap();
        let settings = settings::read(Some(&file)).unwrap();
        let store = Arc::new(store::Store::open(&dir.path().join("store"), store::Access::Owner).unwrap());
        let tier = Arc::new(Tier::open(store, settings.remote.as_deref().unwrap(), None));
        let toolchain = toolchain_at("/nix/store/0-go/share/go");
        let of = |name: &str, is_of_all_users, toolchain: &Toolchain| {
            prefetch(&tier, ByBuild { name, is_of_all_users, prefetches: &Prefetches::default() }, toolchain)
        };
        let begin = |name: &str| of(name, true, &toolchain);
        let first = begin("caddy-1").unwrap();
        assert!(Arc::ptr_eq(&first, &begin("caddy-2").unwrap()));
        let untrusted = of("caddy-3", false, &toolchain).unwrap();
        assert!(!Arc::ptr_eq(&first, &untrusted), "it ends nothing for others");
        let others: Vec<_> = (2..PREFETCHES).map(|n| begin(&format!("other{n}")).unwrap()).collect();
        assert!(begin("one-too-many").is_none() && of("another", false, &toolchain).is_none());
        drop((silent, others)); // nobody answers
        while !lock(&tier.prefetches).is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!first.is_awaited(&ActionId([1; 32])), "it is over");
        assert!(!Arc::ptr_eq(&first, &begin("caddy-1").unwrap()));
        assert!(begin("of-another-place").is_some());
        assert!(of("x", true, &toolchain_at("/usr/local/go")).is_none());
    }

    #[test]
    fn a_get_waits_for_what_is_on_its_way_and_for_nothing_else() {
        let prefetch = Prefetch::default();
        let action = |n| ActionId([n; 32]);
        assert!(prefetch.is_awaited(&action(1)), "it is not known yet");
        prefetch.wants(&mut [entry(1, 60_000), entry(2, 0)].iter());
        assert_eq!([1, 2, 3].map(|n| prefetch.is_awaited(&action(n))), [true, true, false]);
        let now = Instant::now();
        prefetch.wait(&action(2), now);
        prefetch.wait(&action(3), now);
        prefetch.done(&action(3), true);
        let long_ago = now.checked_sub(REMOTE_WAIT.1).unwrap();
        for _ in 0..REMOTE_LATE {
            assert!(prefetch.is_awaited(&action(1)));
            prefetch.wait(&action(1), long_ago);
        }
        assert!(!prefetch.is_awaited(&action(1)), "nothing comes");
        prefetch.done(&action(2), true);
        assert!(prefetch.is_awaited(&action(1)), "something came");
        thread::scope(|scope| {
            let waits = scope.spawn(|| prefetch.wait(&action(1), Instant::now() + Duration::from_secs(3600)));
            prefetch.done(&action(1), true);
            waits.join().unwrap();
        });
        *lock(&prefetch.state) = State::Over;
        assert!(!prefetch.is_awaited(&action(1)));
        prefetch.wait(&action(1), Instant::now() + Duration::from_secs(3600));
    }
}
