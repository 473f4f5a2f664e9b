//! Working sets: what the last build of each name asked for and put, by which the next one's table is made (`session/prepare_table.rs`).
//!
//! Each is the trace of that build, kept under a hash of the name without its version, and of the partition. It is a guess: what is
//! served, the store decides.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use miss_causes::without_version;
use proto::ActionId;
use proto::blinded_table;
use proto::id::hex;
use proto::wire::Toolchain;
use sha2::{Digest, Sha256};
use store::{Partition, Store, keep_newest};

use crate::limits::{WORKING_SETS, WORKING_SETS_BYTES};
use crate::telemetry::trace::event::{Event, Events, Get, Put};

/// The directory, in the state directory.
const DIRECTORY: &str = "working-sets";

/// All working sets of a state directory.
#[derive(Debug)]
pub(crate) struct WorkingSets(PathBuf);

/// What one build asked for and put with one toolchain, that with which it asked for most.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkingSet {
    pub(crate) toolchain: Toolchain,
    /// Each once, in the order in which they came.
    pub(crate) actions: Vec<ActionId>,
}

impl WorkingSets {
    pub(crate) fn new(store: &Store) -> Self {
        let dir = store.root().join(DIRECTORY);
        match fs::create_dir(&dir) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => log::warn!("{}: {e}", dir.display()),
            _ => {}
        }
        Self(dir)
    }

    /// Keeps a copy of the trace of a build that ended. `own` is the partition that the build read beside the common one.
    pub(crate) fn keep(&self, name: &str, own: Option<Partition>, trace: &Path) {
        let kept = fs::copy(trace, self.path(name, own));
        if let Err(e) = kept.and_then(|_bytes| keep_newest(&self.0, WORKING_SETS, WORKING_SETS_BYTES)) {
            log::debug!("{}: {e}", self.0.display());
        }
    }

    /// The working set of builds of this name; `None` where none was kept.
    pub(crate) fn read(&self, name: &str, own: Option<Partition>) -> Option<WorkingSet> {
        let file = File::open(self.path(name, own)).ok()?;
        Some(working_set(Events::new(BufReader::new(file))))
    }

    fn path(&self, name: &str, own: Option<Partition>) -> PathBuf {
        let partition = own.map_or_else(|| "none".to_owned(), |own| own.to_string());
        let hash = Sha256::digest(format!("{partition} {}", without_version(name)));
        self.0.join(hex(&hash[..16]))
    }
}

fn working_set(events: impl Iterator<Item = Event>) -> WorkingSet {
    let (mut sessions, mut actions) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    let mut known = HashSet::new();
    for event in events {
        let (session, action) = match event {
            Event::Session(session) => {
                sessions.push(session);
                continue;
            }
            Event::Get(Get { session, action, .. }) | Event::Put(Put { session, action, .. }) => (session, action),
            Event::Condition(_) | Event::Has(_) | Event::Share(_) | Event::Rejected(..) => continue,
        };
        let is_plain = |session: &&proto::profile::Session| !session.only_conditional;
        let Some(session) = sessions.get(usize::from(session)).filter(is_plain) else { continue };
        if known.len() < blinded_table::MOST && known.insert(action) {
            actions.entry(session.toolchain.clone()).or_default().push(action);
        }
    }
    let most = actions.into_iter().max_by_key(|(_, actions)| actions.len());
    most.map_or_else(WorkingSet::default, |(toolchain, actions)| WorkingSet { toolchain, actions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::event::GetOutcome;
    use proto::profile::Session;

    fn session(goroot: &str, only_conditional: bool) -> Event {
        let toolchain = Toolchain { goroot: goroot.to_owned(), ..Toolchain::default() };
        Event::Session(Session { toolchain, command: None, only_conditional })
    }

    fn get(session: u16, n: u8) -> Event {
        Event::Get(Get { session, at_ms: 0, action: ActionId([n; 32]), outcome: GetOutcome::Miss })
    }

    #[test]
    fn it_is_what_was_asked_for_most_with_one_toolchain() {
        let events = [
            session("/a", false),
            session("/b", false),
            session("/b", true),
            get(0, 1),
            get(1, 2),
            get(1, 3),
            get(1, 2),
            get(2, 4),
            get(9, 5),
        ];
        let set = working_set(events.into_iter());
        let actions = vec![ActionId([2; 32]), ActionId([3; 32])];
        assert_eq!(set, WorkingSet { toolchain: Toolchain { goroot: "/b".into(), ..Toolchain::default() }, actions });
    }

    #[test]
    fn builds_of_another_version_have_it_and_those_of_another_name_or_user_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), store::Access::Owner).unwrap();
        let sets = WorkingSets::new(&store);
        let trace = dir.path().join("trace");
        let mut bytes = Vec::new();
        [session("/a", false), get(0, 1)].iter().for_each(|event| event.write(&mut bytes));
        fs::write(&trace, bytes).unwrap();
        sets.keep("caddy-2.1", Some(Partition::Common), &trace);
        let has = |name, own| sets.read(name, own).is_some_and(|set| set.actions == [ActionId([1; 32])]);
        assert!(has("caddy-2.2", Some(Partition::Common)));
        assert!(!has("other-2.2", Some(Partition::Common)));
        assert!(!has("caddy-2.2", Some(Partition::User(7))));
        assert!(!has("caddy-2.2", None));
    }
}
