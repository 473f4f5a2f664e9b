//! Begins what is fetched for a build while it unpacks: when it is registered, if its toolchain is known then, else when its first go command
//! says hello.

use std::collections::HashMap;
use std::env::consts::ARCH;
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Instant;

use proto::error::with_causes;
use proto::wire::Toolchain;
use remote::series::{STD, Series};
use remote_sync::pull::{Progress, Pull, PullError, Pulled};
use store::{Conditional, View};

use super::on_demand::OnDemand;
use super::prefetch::{Prefetch, Shared};
use super::tier::{Tier, series};
use crate::clock;
use crate::limits::{PREFETCH_STACK, PREFETCH_TIME, PREFETCHES, PREFETCHES_PER_BUILD};
use crate::mutex::lock;

/// Prefetches of one build, by the toolchain's part of the namespace.
#[derive(Debug, Default)]
pub(crate) struct Prefetches(Mutex<HashMap<String, Arc<Prefetch>>>);

impl Prefetches {
    /// The build asks for no more.
    pub(crate) fn end(&self) {
        drop(std::mem::take(&mut *lock(&self.0)));
    }
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
    /// The prefetch of this series, which another build began or which begins now; `None` where there are enough of them, enough was
    /// fetched today, or the toolchain has no series of its standard library. Where most of what was fetched of this series was of no use, what
    /// builds ask for is fetched, and nothing ahead.
    fn begin_prefetch(self: &Arc<Self>, of: Shared, toolchain: &Toolchain, view: View) -> Option<Arc<Prefetch>> {
        let mut running = lock(&self.prefetches);
        running.retain(|_, one| one.strong_count() > 0);
        // One that is over knows nothing of what was put since.
        if let Some(known) = running.get(&of).and_then(Weak::upgrade).filter(|known| !known.is_over()) {
            return Some(known);
        }
        let on_demand = self.usefulness.is_useless(&of.0);
        let is_ahead = |one: &&Weak<Prefetch>| one.upgrade().is_some_and(|one| !one.is_on_demand());
        let most = if of.1 { PREFETCHES } else { PREFETCHES / 2 };
        // One on demand lives as long as its builds, and is in no map when it is old.
        let alive =
            if on_demand { Arc::strong_count(&self.on_demand) - 1 } else { running.values().filter(is_ahead).count() };
        if alive >= most || self.used_up().is_some() {
            return None;
        }
        let on_demand = on_demand.then(|| OnDemand::new(&self.on_demand));
        let prefetch = Arc::new(Prefetch::of(&of, &self.usefulness, on_demand));
        let (std, view) = (series(toolchain, STD)?.0, view.trusting(self.trusted.signing_keys()));
        let names = Names { series: of.0.clone(), std, view };
        let (tier, thread, key) = (self.clone(), prefetch.clone(), of.clone());
        let fetch = move || {
            let _end = End(&tier, &of, &thread);
            run(&thread, &tier, &names);
        };
        let builder = thread::Builder::new().name("prefetch".to_owned()).stack_size(PREFETCH_STACK);
        builder.spawn(fetch).inspect_err(|e| log::debug!("no prefetch: {e}")).ok()?;
        running.insert(key, Arc::downgrade(&prefetch));
        Some(prefetch)
    }
}

/// The thread ends, in whatever way.
struct End<'a>(&'a Tier, &'a Shared, &'a Prefetch);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.2.end();
        if self.2.is_over() {
            // A later one may have its place already.
            let is_this = |one: &mut Weak<Prefetch>| std::ptr::eq(one.as_ptr(), self.2);
            let mut running = lock(&self.0.prefetches);
            if running.get_mut(self.1).is_some_and(is_this) {
                running.remove(self.1);
            }
        }
    }
}

/// What builds ask for.
#[derive(Debug, Clone)]
struct Names {
    series: Series,
    std: Series,
    view: View,
}

impl Names {
    fn pull<'a>(&'a self, tier: &'a Tier, progress: &'a dyn Progress) -> Pull<'a> {
        Pull {
            store: &tier.store,
            limits: tier.limits,
            view: &self.view,
            series: std::slice::from_ref(&self.series),
            std: Some(&self.std),
            trusted: &tier.trusted,
            objects: &tier.objects,
            // In a sandbox all that compilers read of the system lies in /nix/store.
            conditional: Conditional::All,
            indexes: true,
            now: clock::unix(clock::now()),
            until: Instant::now() + PREFETCH_TIME,
            progress,
            memory: &tier.memory,
        }
    }
}

fn run(prefetch: &Prefetch, tier: &Arc<Tier>, names: &Names) {
    let series = &names.series;
    let pull = names.pull(tier, prefetch);
    let done = if prefetch.is_on_demand() { read(&pull, prefetch, tier, names) } else { pull.run() };
    match done {
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

/// Reads what there is, which is fetched as far as builds ask for it.
fn read(pull: &Pull<'_>, prefetch: &Prefetch, tier: &Arc<Tier>, names: &Names) -> Result<Pulled, PullError> {
    let (named, pulled) = pull.read()?;
    if pulled.indexes == 0 || pulled.failed > 0 {
        return Ok(pulled); // the next build asks again
    }
    let named = Arc::new(named);
    let (tier, names, known) = (tier.clone(), names.clone(), named.clone());
    prefetch.set_fetch(Box::new(move |action, progress| {
        if tier.used_up().is_some() {
            return None;
        }
        let pulled = names.pull(&tier, progress).fetch_of(&known, action);
        if pulled.requests > 0 || pulled.failed > 0 {
            tier.note_pull(&pulled);
            tier.keep_bytes();
        }
        (pulled.failed == 0).then_some(pulled.bytes)
    }));
    pull.announce(&named);
    Ok(pulled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::ActionId;
    use std::time::Duration;

    #[test]
    fn builds_of_one_name_share_a_prefetch_and_the_next_one_asks_again() {
        let dir = tempfile::tempdir().unwrap();
        let (socket, file) = (dir.path().join("socket"), dir.path().join("settings.toml"));
        let silent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let key = "example-1:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let text = format!("[remote]\nurl = 's3://bucket'\nsocket = {socket:?}\ntrusted-public-keys = ['{key}']\n");
        std::fs::write(&file, text).unwrap();
        let settings = settings::read(Some(&file)).unwrap();
        let store = Arc::new(store::Store::open(&dir.path().join("store"), store::Access::Owner).unwrap());
        let tier = Arc::new(Tier::open((store, settings.limits()), settings.remote.as_deref().unwrap(), None));
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
        drop((silent, others)); // no request is answered
        while !lock(&tier.prefetches).is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(!first.is_awaited(&ActionId([1; 32])), "it is over");
        assert!(!Arc::ptr_eq(&first, &begin("caddy-1").unwrap()));
        assert!(begin("of-another-place").is_some());
        assert!(of("x", true, &toolchain_at("/usr/local/go")).is_none());
    }
}
