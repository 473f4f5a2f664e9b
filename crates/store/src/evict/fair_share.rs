//! What builds of users who are no writers may take: together half of what an eviction leaves, and of that each user a fair share. Pure.
//!
//! What they take beyond it is removed before all else, the largest partition first. All are cut to one level (max-min fairness), so a
//! user who takes less than that loses nothing to one who takes more. While there is room, they may take all of it.

use std::cmp::Reverse;
use std::ops::Range;

use crate::counters::{RECORD_BYTES, on_disk};
use crate::evict::amount::Amount;
use crate::evict::scan::{EntryIndex, Scan};
use crate::format::namespace::Partition;

/// Parts of what is left of which all these partitions together may have one. With half, `common` always keeps as much as they do.
const PARTS: u64 = 2;

/// An entry that may be removed: its staleness, and where it is.
pub(crate) type Candidate = (u64, EntryIndex);

/// Calls `remove` for what users take beyond their shares, and takes it out of `candidates`, until `remove` answers that enough is
/// removed. `candidates` is in the order of the scan before, and in no order afterwards.
pub(crate) fn cut(
    scan: &Scan,
    candidates: &mut Vec<Candidate>,
    needed: Amount,
    remove: &mut dyn FnMut(EntryIndex) -> bool,
) {
    const REMOVED: u64 = u64::MAX;
    let runs = runs_of_users(scan, candidates);
    if runs.is_empty() {
        return;
    }
    let mut usage = Usage::new(scan, candidates);
    let mut takes: Vec<_> = runs.into_iter().map(|run| (usage.amount(&candidates[run.clone()]), run)).collect();
    let level = level(&takes.iter().map(|(amount, _)| *amount).collect::<Vec<_>>(), scan.amount(), needed);
    takes.sort_by_key(|(amount, run)| (Reverse(amount.bytes), run.start));
    for (_, run) in takes.into_iter().filter(|(amount, _)| !level.covers(*amount)) {
        let run = &mut candidates[run];
        run.sort_unstable_by_key(|&(staleness, index)| (Reverse(staleness), index));
        let mut left = usage.add(run);
        for candidate in &mut *run {
            if level.covers(left) || !remove(candidate.1) {
                break;
            }
            usage.remove(&mut left, candidate.1);
            candidate.0 = REMOVED;
        }
        usage.clear(run);
    }
    candidates.retain(|(staleness, _)| *staleness != REMOVED);
}

/// Where the entries of each user are. A scan has those of a partition side by side.
fn runs_of_users(scan: &Scan, candidates: &[Candidate]) -> Vec<Range<usize>> {
    let partition = |candidate: &Candidate| scan.partition(candidate.1);
    let (mut runs, mut end) = (Vec::new(), 0);
    for run in candidates.chunk_by(|one, next| partition(one) == partition(next)) {
        end += run.len();
        if run.first().is_some_and(|first| partition(first) != Partition::Common) {
            runs.push(end - run.len()..end);
        }
    }
    runs
}

/// What each partition may keep, where `needed` must be removed of `all`.
fn level(takes: &[Amount], all: Amount, needed: Amount) -> Amount {
    let one = |of: fn(&Amount) -> u64| match of(&needed) {
        0 => u64::MAX,
        needed => level_of(takes.iter().map(of).collect(), of(&all).saturating_sub(needed) / PARTS),
    };
    Amount {
        bytes: one(|amount| amount.bytes),
        files: one(|amount| amount.files),
        entries: one(|amount| amount.entries),
    }
}

/// The level to which the largest must be cut so that all together are at most `most`.
fn level_of(mut sizes: Vec<u64>, most: u64) -> u64 {
    sizes.sort_unstable();
    let (mut left, mut others) = (most, sizes.len() as u64);
    for size in sizes {
        if size > left / others {
            return left / others;
        }
        left -= size;
        others -= 1;
    }
    u64::MAX
}

/// Counts what one partition after the other takes. An object counts once, for each user who has it, and for none if `common` has it.
#[derive(Debug)]
struct Usage<'a> {
    scan: &'a Scan,
    /// Of each object how many entries of the partition have it. One byte an object, as a scan has a million: of [`MANY`] it counts
    /// for the user while anything of the user stays.
    held: Vec<u8>,
}

/// Stands for an object that `common` has.
const COMMON: u8 = u8::MAX;

/// Stands for as many entries or more.
const MANY: u8 = COMMON - 1;

impl<'a> Usage<'a> {
    fn new(scan: &'a Scan, candidates: &[Candidate]) -> Self {
        let mut usage = Self { scan, held: vec![0; scan.objects()] };
        let common = candidates.iter().filter(|(_, index)| scan.partition(*index) == Partition::Common);
        usage.each(common, |held, _| *held = COMMON);
        usage
    }

    /// What a partition takes.
    fn amount(&mut self, run: &[Candidate]) -> Amount {
        let amount = self.add(run);
        self.clear(run);
        amount
    }

    /// Adds entries of a partition.
    fn add(&mut self, run: &[Candidate]) -> Amount {
        let entries = run.len() as u64;
        let mut amount = Amount { bytes: entries * RECORD_BYTES, files: entries, entries };
        self.each(run, |held, size| {
            if *held == 0 {
                amount.bytes = amount.bytes.saturating_add(on_disk(size));
                amount.files += 1;
            }
            *held = if *held < MANY { *held + 1 } else { *held };
        });
        amount
    }

    /// Takes an entry away that was added.
    fn remove(&mut self, amount: &mut Amount, index: EntryIndex) {
        amount.bytes -= RECORD_BYTES;
        amount.files -= 1;
        amount.entries -= 1;
        self.each(&[(0, index)], |held, size| {
            *held = if *held < MANY { *held - 1 } else { *held };
            if *held == 0 {
                amount.bytes = amount.bytes.saturating_sub(on_disk(size));
                amount.files -= 1;
            }
        });
    }

    /// Makes room for the next partition.
    fn clear(&mut self, run: &[Candidate]) {
        self.each(run, |held, _| *held = if *held == COMMON { COMMON } else { 0 });
    }

    fn each<'b>(&mut self, candidates: impl IntoIterator<Item = &'b Candidate>, mut of: impl FnMut(&mut u8, u64)) {
        let entries = candidates.into_iter().map(|(_, index)| self.scan.entry(*index));
        for output in entries.flat_map(|entry| self.scan.outputs(entry)) {
            if let Some(n) = self.scan.object_of(output) {
                of(&mut self.held[n], output.size);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evict::fixture::{MIB, NOW, entry, scan_of};
    use crate::evict::limits::Targets;
    use crate::evict::plan::{Reason, plan};
    use crate::evict::scan::Entry;

    const OBJECT: u64 = MIB - RECORD_BYTES; // with its record one MiB

    const ALL: Partition = Partition::Common;

    /// Entries of these outputs, the first one used last.
    fn entries(outputs: Range<u64>, age: u32) -> Vec<Entry> {
        (0..).zip(outputs).map(|(n, output)| entry(u8::try_from(output).unwrap(), output, OBJECT, age + n)).collect()
    }

    fn scan(partitions: Vec<(Partition, Vec<Entry>)>) -> Scan {
        scan_of(partitions, Vec::new())
    }

    /// Of each directory the numbers of entries that go.
    fn gone(scan: &Scan, targets: &Targets) -> Vec<Vec<u32>> {
        let victims = plan(scan, targets, NOW);
        let of = |shard: usize| {
            victims
                .iter()
                .filter(|victim| victim.index.shard as usize == shard)
                .map(|victim| victim.index.entry)
                .collect()
        };
        (0..scan.shards.len()).map(of).collect()
    }

    fn within(mib: u64) -> Targets {
        Targets { max_size: Some(mib * MIB), ..Targets::default() }
    }

    #[test]
    fn what_a_user_takes_beyond_half_goes_before_what_all_read() {
        let one = Partition::User(1000);
        // 60 of the user, all newer than the 45 of all. 90 are to be left, of which the user may have 45.
        let scan = scan(vec![(ALL, entries(0..45, 5000)), (one, entries(100..160, 0))]);
        let gone = gone(&scan, &within(100));
        assert_eq!(gone, [vec![], (45..60).collect::<Vec<_>>()]);
        assert!(plan(&scan, &within(100), NOW).iter().all(|victim| victim.reason == Reason::Size));
    }

    #[test]
    fn while_there_is_room_a_user_may_take_all_of_it() {
        let scan = scan(vec![(ALL, entries(0..5, 5000)), (Partition::User(1000), entries(100..195, 0))]);
        assert_eq!(plan(&scan, &within(100), NOW), []);
    }

    #[test]
    fn below_their_share_entries_go_by_their_value_alone() {
        let scan = scan(vec![(ALL, entries(0..80, 5000)), (Partition::User(1000), entries(100..130, 0))]);
        let gone = gone(&scan, &within(100));
        assert_eq!((gone[0].len(), gone[1].len()), (20, 0));
    }

    #[test]
    fn of_several_users_the_largest_is_cut_and_the_others_lose_nothing() {
        let [one, two, three] = [1, 2, 3].map(Partition::User);
        let scan = scan(vec![
            (ALL, entries(0..50, 5000)),
            (one, entries(50..60, 4000)),
            (two, entries(60..75, 4000)),
            (three, entries(100..150, 0)),
        ]);
        // 125 of 100: 90 are left, 45 of users, of which the first two have 25.
        let gone = gone(&scan, &within(100));
        assert_eq!(gone.iter().map(Vec::len).collect::<Vec<_>>(), [5, 0, 0, 30]);
    }

    #[test]
    fn what_all_read_too_counts_for_no_user_and_what_two_users_have_for_both() {
        let [one, two] = [1, 2].map(Partition::User);
        let same = |age| entries(0..40, age);
        // The user's records alone count.
        let of_all = scan(vec![(ALL, same(5000)), (one, same(0)), (two, entries(100..160, 100))]);
        assert_eq!(gone(&of_all, &within(90)).iter().map(Vec::len).collect::<Vec<_>>()[..2], [0, 0]);
        let mut usage = Usage::new(&of_all, &[]);
        let run: Vec<_> = of_all.indexed_entries().map(|(index, _)| (0, index)).collect();
        assert_eq!([0..40, 40..80].map(|of| usage.amount(&run[of]).bytes), [40 * MIB; 2]);
        let mut usage = Usage::new(&of_all, &run);
        assert_eq!([40..80, 80..140].map(|of| usage.amount(&run[of]).bytes), [40 * RECORD_BYTES, 60 * MIB]);
    }

    #[test]
    fn an_object_counts_once_for_a_user_however_many_entries_have_it() {
        let of_one_object: Vec<_> = (0..=255).map(|n| entry(n, 7, OBJECT, 0)).collect();
        for entries in [of_one_object[..3].to_vec(), of_one_object] {
            let count = entries.len() as u64;
            let scan = scan(vec![(Partition::User(1), entries)]);
            let run: Vec<_> = scan.indexed_entries().map(|(index, _)| (0, index)).collect();
            let mut usage = Usage::new(&scan, &run);
            let mut amount = usage.add(&run);
            let expected = Amount { bytes: OBJECT + count * RECORD_BYTES, files: count + 1, entries: count };
            assert_eq!(amount, expected);
            run.iter().for_each(|(_, index)| usage.remove(&mut amount, *index));
            let is_counted = count < u64::from(MANY);
            let left = if is_counted { Amount::default() } else { Amount { bytes: OBJECT, files: 1, entries: 0 } };
            assert_eq!(amount, left);
            usage.clear(&run);
            assert_eq!(usage.amount(&run), expected);
        }
    }

    #[test]
    fn inodes_and_free_space_are_shared_as_bytes_are() {
        let small = |n: u8, age| entry(n, u64::from(n), 1, age);
        let user = (100..160).map(|n| small(n, 0)).collect();
        let scan = scan(vec![(ALL, (0..40).map(|n| small(n, 5000)).collect()), (Partition::User(1), user)]);
        for targets in [
            Targets { inodes_to_free: 20, ..Targets::default() },
            Targets { bytes_to_free: 20 * (RECORD_BYTES + on_disk(1)), ..Targets::default() },
        ] {
            let gone = gone(&scan, &targets);
            assert!(gone[0].is_empty() && (10..=20).contains(&gone[1].len()), "{gone:?}");
        }
    }

    #[test]
    fn the_level_is_the_highest_at_which_all_fit() {
        assert_eq!(level_of(vec![], 10), u64::MAX);
        assert_eq!(level_of(vec![10], 10), u64::MAX);
        assert_eq!(level_of(vec![11], 10), 10);
        assert_eq!(level_of(vec![1, 9, 3], 10), 6);
        assert_eq!(level_of(vec![5, 5, 5], 9), 3);
        assert_eq!(level_of(vec![1, 1], 0), 0);
    }

    proptest! {
        #[test]
        fn what_all_read_goes_only_when_no_user_has_more_than_the_level(
            raw in prop::collection::vec((0u32..4, 0u64..40, 0u32..10_000), 1..120),
            max in 1u64..60,
        ) {
            let of = |uid: u32| {
                let own = raw.iter().filter(|(of, ..)| *of == uid);
                (0..).zip(own).map(|(n, (_, output, age))| entry(n, *output, output * 50_000, *age)).collect::<Vec<_>>()
            };
            let scan = scan((0..4).map(|uid| (if uid == 0 { ALL } else { Partition::User(uid) }, of(uid))).collect());
            let targets = within(max);
            let victims: Vec<_> = plan(&scan, &targets, NOW).iter().map(|victim| victim.index).collect();
            let all: Vec<_> = scan.indexed_entries().map(|(index, _)| (0, index)).collect();
            let mut usage = Usage::new(&scan, &all);
            let of_users = runs_of_users(&scan, &all);
            let takes: Vec<_> = of_users.iter().map(|run| usage.amount(&all[run.clone()])).collect();
            let needed = scan.totals.bytes.saturating_sub(max * MIB / 10 * 9);
            let level = level(&takes, scan.amount(), Amount { bytes: needed, ..Amount::default() });
            let is_gone = |(_, index): &Candidate| victims.contains(index);
            if all.iter().any(|one| scan.partition(one.1) == ALL && is_gone(one)) {
                for run in of_users {
                    let left: Vec<_> = all[run].iter().filter(|one| !is_gone(one)).copied().collect();
                    prop_assert!(level.covers(usage.amount(&left)));
                }
            }
        }
    }
}
