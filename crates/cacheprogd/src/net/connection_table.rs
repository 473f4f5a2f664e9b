//! Which connections are open and who owns them: which new connection is admitted, and which silent one is closed for it. Pure: no
//! sockets, no threads, no clock.
//!
//! The rule: an owner may have as many connections as there are free places, so that shares shrink as the table fills and some
//! places stay free for owners without a connection. Beyond that a new connection replaces the one that has been silent for longest
//! among those of the owner with the most. A connection with a request under way is never closed for another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a connection is doing. Times are since one moment, the same for all connections of a table.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    under_way: AtomicU64,
    /// In milliseconds: when the last request was answered, or the connection accepted.
    silent_since: AtomicU64,
}

impl Activity {
    /// The activity of a connection that was accepted at this time.
    pub(crate) fn new(now: Duration) -> Self {
        let activity = Self::default();
        activity.silent_since.store(milliseconds(now), Relaxed);
        activity
    }

    /// A request came in whole.
    pub(crate) fn begin(&self) {
        self.under_way.fetch_add(1, Relaxed);
    }

    /// The reply to a request that began was sent.
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

/// What is done with a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is a free place.
    Free,
    /// There is one as soon as this connection is closed.
    Replace(Key),
    /// The limit is reached: it is refused.
    Refused,
}

/// The open connections, with their owners.
#[derive(Debug)]
pub(crate) struct ConnectionTable<O> {
    limit: usize,
    limit_per_owner: usize,
    open: HashMap<Key, (O, Arc<Activity>)>,
    /// How many connections each owner has.
    counts: HashMap<O, usize>,
    next_key: Key,
}

impl<O: Copy + Eq + Hash> ConnectionTable<O> {
    pub(crate) fn new(limit: usize, limit_per_owner: usize) -> Self {
        Self { limit, limit_per_owner, open: HashMap::new(), counts: HashMap::new(), next_key: 0 }
    }

    /// What is done with one more connection of this owner.
    pub(crate) fn admission(&self, owner: O) -> Admission {
        let (own, free) = (self.count(owner), self.limit - self.open.len());
        if own >= self.limit_per_owner {
            return Admission::Refused;
        }
        if own < free {
            return Admission::Free;
        }
        // An owner without a connection takes a place of any other owner. An owner with connections takes one only if it then has
        // fewer than the other keeps. So no owner gains by connecting again and again.
        let least = if own == 0 { 1 } else { own + 2 };
        let candidates = self.open.iter().filter_map(|(key, (other, activity))| {
            let count = self.count(*other);
            (count >= least && *other != owner).then(|| activity.silent_since().map(|since| (count, since, *key)))?
        });
        let victim = candidates.max_by_key(|&(count, since, key)| (count, std::cmp::Reverse((since, key))));
        victim.map_or(Admission::Refused, |(_, _, key)| Admission::Replace(key))
    }

    /// Adds a connection, whatever [`Self::admission`] said.
    pub(crate) fn add(&mut self, owner: O, activity: Arc<Activity>) -> Key {
        let key = self.next_key;
        self.next_key += 1;
        self.open.insert(key, (owner, activity));
        *self.counts.entry(owner).or_default() += 1;
        key
    }

    /// Removes a connection, if it is there.
    pub(crate) fn remove(&mut self, key: Key) {
        let Some((owner, _)) = self.open.remove(&key) else { return };
        if let Some(count) = self.counts.get_mut(&owner) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&owner);
            }
        }
    }

    fn count(&self, owner: O) -> usize {
        self.counts.get(&owner).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 64;
    const PER_OWNER: usize = 16;

    /// A table whose connections come one a second.
    struct TimedTable {
        table: ConnectionTable<u32>,
        now: Duration,
        activities: HashMap<Key, Arc<Activity>>,
    }

    impl TimedTable {
        fn new() -> Self {
            Self { table: ConnectionTable::new(LIMIT, PER_OWNER), now: Duration::ZERO, activities: HashMap::new() }
        }

        /// As connections.rs does it. The key of the new one, and of the one that was closed for it.
        fn connect(&mut self, owner: u32) -> Option<(Key, Option<Key>)> {
            self.now += Duration::from_secs(1);
            let closed = match self.table.admission(owner) {
                Admission::Refused => return None,
                Admission::Free => None,
                Admission::Replace(key) => Some(key),
            };
            closed.into_iter().for_each(|key| self.table.remove(key));
            let activity = Arc::new(Activity::new(self.now));
            let key = self.table.add(owner, activity.clone());
            self.activities.insert(key, activity);
            assert!(self.table.open.len() <= LIMIT);
            Some((key, closed))
        }

        fn connect_times(&mut self, owner: u32, times: usize) -> usize {
            (0..times).filter(|_| self.connect(owner).is_some()).count()
        }

        fn count(&self, owner: u32) -> usize {
            self.table.count(owner)
        }
    }

    #[test]
    fn one_owner_alone_has_its_limit_and_no_more() {
        let mut timed = TimedTable::new();
        assert_eq!(timed.connect_times(1, 1000), PER_OWNER);
        assert_eq!(timed.connect_times(2, 1000), PER_OWNER);
    }

    #[test]
    fn a_few_owners_that_take_all_they_can_leave_places_free_and_have_equal_shares() {
        let mut timed = TimedTable::new();
        for owner in 1..=4 {
            timed.connect_times(owner, 1000);
        }
        let counts: Vec<_> = (1..=4).map(|owner| timed.count(owner)).collect();
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        assert!(counts.iter().sum::<usize>() < LIMIT);
        for owner in 5..8 {
            assert!(matches!(timed.connect(owner), Some((_, None))), "a late owner has a place at once");
        }
    }

    #[test]
    fn in_a_full_table_the_longest_silent_connection_of_the_owner_with_the_most_is_closed() {
        let mut timed = TimedTable::new();
        // Two each, but four of one.
        let first = timed.connect(0).unwrap().0;
        let second = timed.connect(0).unwrap().0;
        timed.connect_times(0, 2);
        for owner in 1..=(LIMIT as u32 - 4) / 2 {
            assert_eq!(timed.connect_times(owner, 1), 1);
        }
        for owner in 1..=(LIMIT as u32 - 4) / 2 {
            timed.table.add(owner, Arc::new(Activity::new(timed.now)));
        }
        assert_eq!(timed.table.open.len(), LIMIT);
        // The first one asked and was answered since: the second one is silent for longer.
        timed.activities[&first].begin();
        timed.activities[&first].end(timed.now);
        assert_eq!(timed.connect(1000).unwrap().1, Some(second));
    }

    #[test]
    fn a_request_under_way_keeps_its_connection_open() {
        let mut timed = TimedTable::new();
        let keys: Vec<_> = (0..LIMIT).map(|_| timed.table.add(1, Arc::default())).collect();
        for key in &keys[1..] {
            timed.table.open[key].1.begin();
            timed.table.open[key].1.begin();
            timed.table.open[key].1.end(timed.now);
        }
        assert_eq!(timed.connect(2).unwrap().1, Some(keys[0]));
        assert_eq!(
            timed.connect(3).unwrap().1,
            Some(LIMIT as Key),
            "an owner with one silent connection, as the owner with many has no silent one"
        );
        assert_eq!(timed.connect(3), None, "no other owner has a silent one");
    }

    /// It may come back as often as it likes: what counts is what each has now.
    #[test]
    fn an_owner_whose_connections_were_closed_takes_no_other_owners_place() {
        let mut timed = TimedTable::new();
        for owner in 0..8 {
            timed.connect_times(owner, 1000); // a flood of eight
        }
        let honest: Vec<_> = (100..104).flat_map(|owner| [owner, owner]).collect();
        let keys: Vec<_> = honest.iter().map(|&owner| timed.connect(owner).unwrap().0).collect();
        for n in 0..10_000 {
            let _verdict = timed.connect(n % 8);
        }
        assert!(keys.iter().all(|key| timed.table.open.contains_key(key)));
    }

    #[test]
    fn among_many_owners_with_one_connection_each_a_new_owner_gets_one_too() {
        let mut timed = TimedTable::new();
        for owner in 0..10 * LIMIT as u32 {
            assert_eq!(timed.connect_times(owner, 1), 1);
        }
        assert_eq!(timed.table.open.len(), LIMIT);
        assert_eq!(timed.connect_times(10 * LIMIT as u32 - 1, 5), 0, "but not a second one");
    }

    #[test]
    fn a_closed_connection_leaves_nothing_in_the_table() {
        let mut timed = TimedTable::new();
        for owner in 0..LIMIT as u32 {
            let (key, _) = timed.connect(owner).unwrap();
            timed.table.remove(key);
            timed.table.remove(key);
        }
        assert!(timed.table.open.is_empty() && timed.table.counts.is_empty());
    }
}
