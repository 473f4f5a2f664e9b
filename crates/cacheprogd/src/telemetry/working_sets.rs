//! Working sets: what the last build of each name asked for and put, by which the next one's table is made (`session/prepare_table.rs`).
//!
//! Each is the trace of that build, kept for each partition under a hash of the name without its version. It is a guess: what is
//! served, the store decides.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use miss_causes::without_version;
use proto::blinded_table;
use proto::error::with_causes;
use proto::id::hex;
use proto::wire::Toolchain;
use remote_sync::push::UsedByBuild;
use sha2::{Digest, Sha256};
use store::{Partition, Store, keep_newest};

use crate::limits::{WORKING_SETS, WORKING_SETS_BYTES};
use crate::telemetry::trace::event::{Event, Events, Get, GetOutcome, Put};

/// The directory, in the state directory.
const DIRECTORY: &str = "working-sets";

/// All working sets of a state directory.
#[derive(Debug)]
pub(crate) struct WorkingSets(PathBuf);

/// What one build asked for and put with one toolchain, that with which it asked for most.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkingSet {
    pub(crate) toolchain: Toolchain,
    /// Each action once, in the order in which they came; what the build was given and put, and which conditions it had.
    pub(crate) used: UsedByBuild,
}

impl WorkingSets {
    pub(crate) fn new(store: &Store) -> Self {
        Self(store.root().join(DIRECTORY))
    }

    /// Keeps a copy of the trace of a build that ended. `own` is the partition that the build read beside the common one.
    pub(crate) fn keep(&self, store: &Store, (name, own): (&str, Option<Partition>), trace: &Path) {
        let dir = self.dir(own);
        let write = |trace: Vec<u8>| {
            let written = store.write_file(&dir.join(file_name(name)), &trace);
            written.map_err(|e| io::Error::other(with_causes(&e)))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        let kept = made.and_then(|()| fs::read(trace)).and_then(write);
        if let Err(e) = kept.and_then(|()| keep_newest(&dir, WORKING_SETS, WORKING_SETS_BYTES)) {
            log::debug!("{}: {e}", dir.display());
        }
    }

    /// The working set of builds of this name; `None` where none was kept.
    pub(crate) fn read(&self, name: &str, own: Option<Partition>) -> Option<WorkingSet> {
        let file = File::open(self.dir(own).join(file_name(name))).ok()?;
        Some(working_set(Events::new(BufReader::new(file))))
    }

    /// A directory for each partition, with limits of its own: no user's builds push out what others' are remembered by.
    fn dir(&self, own: Option<Partition>) -> PathBuf {
        self.0.join(own.map_or_else(|| "none".to_owned(), |own| own.to_string()))
    }
}

fn file_name(name: &str) -> String {
    hex(&Sha256::digest(without_version(name))[..16])
}

fn working_set(events: impl Iterator<Item = Event>) -> WorkingSet {
    let (mut sessions, mut actions) = (Vec::new(), HashMap::<_, Vec<_>>::new());
    let (mut known, mut conditions, mut used) = (HashSet::new(), Vec::new(), UsedByBuild::default());
    for event in events {
        let (session, action) = match event {
            Event::Session(session) => {
                sessions.push(session);
                continue;
            }
            Event::Condition(condition) => {
                conditions.push(condition.digest);
                continue;
            }
            Event::Has(number) => {
                used.conditions.extend(conditions.get(usize::from(number)));
                continue;
            }
            Event::Get(Get { session, action, outcome, .. }) => {
                if let GetOutcome::Hit(output) | GetOutcome::HitIf(output) = outcome {
                    used.outputs.insert(output);
                }
                (session, action)
            }
            Event::Put(Put { session, action, output, .. }) => {
                used.outputs.insert(output);
                (session, action)
            }
            Event::Share(_) | Event::Rejected(..) => continue,
        };
        let is_plain = |session: &&proto::profile::Session| !session.only_conditional;
        let Some(session) = sessions.get(usize::from(session)).filter(is_plain) else { continue };
        if known.len() < blinded_table::MOST && known.insert(action) {
            actions.entry(session.toolchain.clone()).or_default().push(action);
        }
    }
    let most = actions.into_iter().max_by_key(|(_, actions)| actions.len());
    let (toolchain, actions) = most.unwrap_or_default();
    WorkingSet { toolchain, used: UsedByBuild { actions, ..used } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::profile::{PutOutcome, Session};
    use proto::{ActionId, Condition, OutputId, ScopeDigest, scopes};
    use store::Kind;

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
        assert_eq!((set.toolchain.goroot.as_str(), set.used.actions), ("/b", actions));
    }

    #[test]
    fn what_a_build_was_given_and_put_and_its_conditions_are_known() {
        let [given, put, refused] = [1, 2, 3].map(|n| OutputId([n; 32]));
        let [held, other] = [1, 2].map(|n| Condition { scope: scopes::STD, digest: ScopeDigest([n; 32]) });
        let get = |outcome| Event::Get(Get { session: 0, at_ms: 0, action: ActionId([1; 32]), outcome });
        let events = [
            session("/a", false),
            Event::Condition(other),
            Event::Condition(held.clone()),
            Event::Has(1),
            Event::Has(9),
            get(GetOutcome::HitIf(given)),
            get(GetOutcome::Rejected(refused)),
            Event::Put(Put {
                session: 0,
                at_ms: 0,
                cost_ms: 0,
                outcome: PutOutcome::Shared,
                kind: Kind::Archive,
                action: ActionId([2; 32]),
                output: put,
            }),
        ];
        let used = working_set(events.into_iter()).used;
        assert_eq!((used.outputs, used.conditions), (HashSet::from([given, put]), HashSet::from([held.digest])));
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
        sets.keep(&store, ("caddy-2.1", Some(Partition::Common)), &trace);
        let has = |name, own| sets.read(name, own).is_some_and(|set| set.used.actions == [ActionId([1; 32])]);
        assert!(has("caddy-2.2", Some(Partition::Common)));
        assert!(!has("other-2.2", Some(Partition::Common)));
        assert!(!has("caddy-2.2", Some(Partition::User(7))));
        assert!(!has("caddy-2.2", None));
    }
}
