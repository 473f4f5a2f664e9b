//! Which connections are open and whose they are: who gets a place, and whose silent connection is closed for it. Pure: no
//! sockets, no threads, no clock.
//!
//! The rule: an owner may have as many connections as there are free places, so that shares shrink as the table fills and some
//! places stay free for who has none. Beyond that a newcomer takes the place of the connection that has been silent for longest
//! among those of the owner who has most. A connection with a request under way is never closed for another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a connection is doing. Times are since any one moment, the same for all connections of a table.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    under_way: AtomicU64,
    /// In milliseconds: when the last request was answered, or the connection made.
    silent_since: AtomicU64,
}

impl Activity {
    /// Of a connection that was made at this time.
    pub(crate) fn new(now: Duration) -> Self {
        let activity = Self::default();
        activity.silent_since.store(milliseconds(now), Relaxed);
        activity
    }

    /// A request came in whole.
    pub(crate) fn begin(&self) {
        self.under_way.fetch_add(1, Relaxed);
    }

    /// A request that began is done with.
    pub(crate) fn end(&self, now: Duration) {
        self.silent_since.store(milliseconds(now), Relaxed);
        self.under_way.fetch_sub(1, Relaxed);
    }

    /// Since when nothing is under way; `None` while something is.
    fn silent_since(&self) -> Option<u64> {
        (self.under_way.load(Relaxed) == 0).then(|| self.silent_since.load(Relaxed))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Names a connection of a table.
pub(crate) type Key = u64;

/// What becomes of a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is a place.
    Free,
    /// There is one as soon as this connection is closed.
    InPlaceOf(Key),
    /// It is turned away.
    Full,
}

/// The open connections, with their owners.
#[derive(Debug)]
pub(crate) struct Table<O> {
    /// Most connections of all owners, and of one.
    most: usize,
    most_of_one: usize,
    open: HashMap<Key, (O, Arc<Activity>)>,
    held: HashMap<O, usize>,
    next: Key,
}

impl<O: Copy + Eq + Hash> Table<O> {
    pub(crate) fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, open: HashMap::new(), held: HashMap::new(), next: 0 }
    }

    /// What becomes of one more connection of this owner.
    pub(crate) fn verdict(&self, owner: O) -> Verdict {
        let (own, free) = (self.held_by(owner), self.most - self.open.len());
        if own >= self.most_of_one {
            return Verdict::Full;
        }
        if own < free {
            return Verdict::Free;
        }
        // Who has none takes from whoever has one; else only who has less in the end than the other keeps. So nobody gains
        // by coming again and again.
        let least = if own == 0 { 1 } else { own + 2 };
        let candidates = self.open.iter().filter_map(|(key, (other, activity))| {
            let held = self.held_by(*other);
            (held >= least && *other != owner).then(|| activity.silent_since().map(|since| (held, since, *key)))?
        });
        let greediest = candidates.max_by_key(|&(held, since, key)| (held, std::cmp::Reverse((since, key))));
        greediest.map_or(Verdict::Full, |(_, _, key)| Verdict::InPlaceOf(key))
    }

    /// Lists a connection, whatever the verdict was.
    pub(crate) fn add(&mut self, owner: O, activity: Arc<Activity>) -> Key {
        let key = self.next;
        self.next += 1;
        self.open.insert(key, (owner, activity));
        *self.held.entry(owner).or_default() += 1;
        key
    }

    /// Takes a connection off the list, if it is there.
    pub(crate) fn remove(&mut self, key: Key) {
        let Some((owner, _)) = self.open.remove(&key) else { return };
        if let Some(held) = self.held.get_mut(&owner) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&owner);
            }
        }
    }

    fn held_by(&self, owner: O) -> usize {
        self.held.get(&owner).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 64;
    const OF_ONE: usize = 16;

    /// Connections come one a second.
    struct Played {
        table: Table<u32>,
        now: Duration,
        activities: HashMap<Key, Arc<Activity>>,
    }

    impl Played {
        fn new() -> Self {
            Self { table: Table::new(MOST, OF_ONE), now: Duration::ZERO, activities: HashMap::new() }
        }

        /// As sessions.rs does it. The key of the new one, and of the one that was closed for it.
        fn comes(&mut self, owner: u32) -> Option<(Key, Option<Key>)> {
            self.now += Duration::from_secs(1);
            let closed = match self.table.verdict(owner) {
                Verdict::Full => return None,
                Verdict::Free => None,
                Verdict::InPlaceOf(key) => Some(key),
            };
            closed.into_iter().for_each(|key| self.table.remove(key));
            let activity = Arc::new(Activity::new(self.now));
            let key = self.table.add(owner, activity.clone());
            self.activities.insert(key, activity);
            assert!(self.table.open.len() <= MOST);
            Some((key, closed))
        }

        fn come(&mut self, owner: u32, times: usize) -> usize {
            (0..times).filter(|_| self.comes(owner).is_some()).count()
        }

        fn held(&self, owner: u32) -> usize {
            self.table.held_by(owner)
        }
    }

    #[test]
    fn one_owner_alone_has_its_share_and_no_more() {
        let mut played = Played::new();
        assert_eq!(played.come(1, 1000), OF_ONE);
        assert_eq!(played.come(2, 1000), OF_ONE);
    }

    #[test]
    fn a_few_that_take_all_they_can_leave_places_free_and_share_alike() {
        let mut played = Played::new();
        for owner in 1..=4 {
            played.come(owner, 1000);
        }
        let held: Vec<_> = (1..=4).map(|owner| played.held(owner)).collect();
        assert!(held.iter().max().unwrap() - held.iter().min().unwrap() <= 1, "{held:?}");
        assert!(held.iter().sum::<usize>() < MOST);
        for owner in 5..8 {
            assert!(matches!(played.comes(owner), Some((_, None))), "who comes late has a place at once");
        }
    }

    #[test]
    fn in_a_full_table_the_longest_silent_of_who_has_most_goes() {
        let mut played = Played::new();
        // Two each, but four of one.
        let first = played.comes(0).unwrap().0;
        let second = played.comes(0).unwrap().0;
        played.come(0, 2);
        for owner in 1..=(MOST as u32 - 4) / 2 {
            assert_eq!(played.come(owner, 1), 1);
        }
        for owner in 1..=(MOST as u32 - 4) / 2 {
            played.table.add(owner, Arc::new(Activity::new(played.now)));
        }
        assert_eq!(played.table.open.len(), MOST);
        // The first one asked and was answered since: the second one is silent for longer.
        played.activities[&first].begin();
        played.activities[&first].end(played.now);
        assert_eq!(played.comes(1000).unwrap().1, Some(second));
    }

    #[test]
    fn a_request_under_way_keeps_its_connection_open() {
        let mut played = Played::new();
        let keys: Vec<_> = (0..MOST).map(|_| played.table.add(1, Arc::default())).collect();
        for key in &keys[1..] {
            played.table.open[key].1.begin();
            played.table.open[key].1.begin();
            played.table.open[key].1.end(played.now);
        }
        assert_eq!(played.comes(2).unwrap().1, Some(keys[0]));
        assert_eq!(played.comes(3).unwrap().1, Some(MOST as Key), "who has one silent one, as who has many has none");
        assert_eq!(played.comes(3), None, "nobody else has a silent one");
    }

    /// It may come back as often as it likes: what counts is what each has now.
    #[test]
    fn an_owner_whose_connections_were_closed_takes_nobodys_place_in_turn() {
        let mut played = Played::new();
        for owner in 0..8 {
            played.come(owner, 1000); // a flood of eight
        }
        let honest: Vec<_> = (100..104).flat_map(|owner| [owner, owner]).collect();
        let keys: Vec<_> = honest.iter().map(|&owner| played.comes(owner).unwrap().0).collect();
        for n in 0..10_000 {
            let _verdict = played.comes(n % 8);
        }
        assert!(keys.iter().all(|key| played.table.open.contains_key(key)));
    }

    #[test]
    fn among_many_owners_with_one_each_a_newcomer_has_one_too() {
        let mut played = Played::new();
        for owner in 0..10 * MOST as u32 {
            assert_eq!(played.come(owner, 1), 1);
        }
        assert_eq!(played.table.open.len(), MOST);
        assert_eq!(played.come(10 * MOST as u32 - 1, 5), 0, "but not a second one");
    }

    #[test]
    fn what_is_closed_leaves_nothing_behind() {
        let mut played = Played::new();
        for owner in 0..MOST as u32 {
            let (key, _) = played.comes(owner).unwrap();
            played.table.remove(key);
            played.table.remove(key);
        }
        assert!(played.table.open.is_empty() && played.table.held.is_empty());
    }
}
