//! The eviction order: which entries are removed, and why. Pure: scan.rs looks, this decides, sweep.rs removes.
//!
//! What users who are no writers take beyond their share is removed first (`fair_share.rs`). Then the least recently used entries are
//! removed, and of these the ones that are cheap to rebuild first: the age of an entry counts less, down to a fourth, the more
//! milliseconds of work it holds for each KiB that it takes. Entries that only save a stat of files (Go's module indexes) have low
//! priority: they are removed before these.
//!
//! For size and space, what was used within the grace stays. What live builds hold goes too where the store is over its limit, which takes nothing from them; it stays
//! where the disk is short, as it would free nothing.

use std::cmp::Reverse;

use crate::counters::{RECORD_BYTES, on_disk};
use crate::evict::amount::Amount;
use crate::evict::fair_share::{self, Candidate};
use crate::evict::limits::Targets;
use crate::evict::scan::{Entry, EntryIndex, Scan};

/// Why something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// An object that no entry names: left by a crash, or its entry has another output now.
    Unnamed,
    /// A file that was never published: its writer was killed.
    Unfinished,
    /// An entry that cannot be read, or whose object is gone.
    Broken,
    /// Unused for longer than the age limit.
    Age,
    /// The store is larger than its limit.
    Size,
    /// The disk has too little free space, or too few free inodes.
    Space,
}

/// Tenths of the size limit that are filled after an eviction, so that the next one is not due at once.
const FILLED_AFTER: u64 = 9;

/// Most entries of any store: a scan of them takes some 300 MB of memory, which a machine that builds Go has.
const MOST_ENTRIES: u64 = 4_000_000;

/// An entry that is to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Victim {
    pub(crate) index: EntryIndex,
    pub(crate) reason: Reason,
}

/// Decides which entries are removed. `now` is in seconds since 1970. The result is in the order of the scan.
pub(crate) fn plan(scan: &Scan, targets: &Targets, now: u64) -> Vec<Victim> {
    let (files, bytes) = scan.abandoned(now, targets.grace);
    let size = needed_for_size(scan, targets);
    let space = Amount { bytes: targets.bytes_to_free, files: targets.inodes_to_free, entries: 0 };
    let abandoned = Amount { bytes, files, entries: 0 };
    let (removed, freed) = (abandoned, abandoned);
    let mut plan = Plan { scan, references: scan.reference_counts(), victims: Vec::new(), removed, freed, size, space };
    let mut stays: Vec<Candidate> = Vec::new();
    for (index, entry) in scan.indexed_entries() {
        if !scan.has_object(entry) {
            plan.add(index, Reason::Broken);
        } else if targets.max_age.is_some_and(|most| entry.age(now) > most.as_secs()) {
            plan.add(index, Reason::Age);
        } else if entry.age(now) >= targets.grace.as_secs() {
            stays.push((staleness(entry, scan.bytes(entry), now), index));
        }
    }
    if plan.reason().is_some() {
        fair_share::cut(scan, &mut stays, size.max(space), &mut |index| plan.add_if_needed(index));
        stays.sort_unstable_by_key(|&(staleness, index)| (Reverse(staleness), index));
        for (_, index) in stays {
            if !plan.add_if_needed(index) {
                break;
            }
        }
    }
    plan.victims.sort_unstable_by_key(|victim| victim.index);
    plan.victims
}

/// What must go for the limits of the store itself.
fn needed_for_size(scan: &Scan, targets: &Targets) -> Amount {
    let beyond = |all: u64, most: u64| if all > most { all - most / 10 * FILLED_AFTER } else { 0 };
    let bytes = targets.max_size.map_or(0, |most| beyond(scan.totals.bytes, most));
    Amount { bytes, files: 0, entries: beyond(scan.totals.entries, MOST_ENTRIES) }
}

struct Plan<'a> {
    scan: &'a Scan,
    /// Of each object, the entries that have it and stay.
    references: Vec<u32>,
    victims: Vec<Victim>,
    /// What the store loses, and what of that the disk gets back: not what live builds hold.
    removed: Amount,
    freed: Amount,
    /// What must be removed for the limits of the store, and freed for the disk.
    size: Amount,
    space: Amount,
}

impl Plan<'_> {
    /// Why more must go; `None`: enough is freed.
    fn reason(&self) -> Option<Reason> {
        let of_size = (!self.removed.covers(self.size)).then_some(Reason::Size);
        of_size.or_else(|| (!self.freed.covers(self.space)).then_some(Reason::Space))
    }

    /// False if enough is removed without it. For the disk, what live builds hold is kept: to remove it frees nothing.
    fn add_if_needed(&mut self, index: EntryIndex) -> bool {
        match self.reason() {
            None => return false,
            Some(Reason::Space) if self.is_held(index) => {}
            Some(reason) => self.add(index, reason),
        }
        true
    }

    fn is_held(&self, index: EntryIndex) -> bool {
        let objects = self.scan.outputs(self.scan.entry(index)).filter_map(|output| self.scan.object_of(output));
        objects.into_iter().all(|object| !self.scan.frees_space(object))
    }

    fn add(&mut self, index: EntryIndex, reason: Reason) {
        self.count(RECORD_BYTES, true);
        self.removed.entries += 1;
        for output in self.scan.outputs(self.scan.entry(index)) {
            if let Some(object) = self.scan.object_of(output) {
                self.references[object] -= 1;
                if self.references[object] == 0 {
                    self.count(on_disk(output.size), self.scan.frees_space(object));
                }
            }
        }
        self.victims.push(Victim { index, reason });
    }

    /// A file of so many bytes goes.
    fn count(&mut self, bytes: u64, frees_space: bool) {
        let amounts = [Some(&mut self.removed), frees_space.then_some(&mut self.freed)];
        for amount in amounts.into_iter().flatten() {
            amount.bytes += bytes;
            amount.files += 1;
        }
    }
}

/// The entry with the highest value is removed first: seconds since the last use in twelfths, less where much work would have to be
/// done again.
fn staleness(entry: &Entry, bytes: u64, now: u64) -> u64 {
    const FIRST_OF_ALL: u64 = 1 << 62;
    let work = u64::from(entry.cost_ms) / (bytes / 1024);
    let weight = 1 + u64::from((1 + work).ilog2()).min(3);
    entry.age(now) * 12 / weight + if entry.is_low_priority { FIRST_OF_ALL } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::evict::fixture::{MIB, NOW, entry, scan, scan_with};
    use crate::evict::scan::CompactOutput;

    fn gone(scan: &Scan, targets: &Targets) -> Vec<(u32, Reason)> {
        plan(scan, targets, NOW).iter().map(|d| (d.index.entry, d.reason)).collect()
    }

    #[test]
    fn the_least_recently_used_go_until_nine_tenths_are_left() {
        let scan = scan((0..10).map(|n| entry(n, u64::from(n), MIB, 100 * u32::from(n))).collect());
        assert_eq!(gone(&scan, &Targets { max_size: Some(11 * MIB), ..Targets::default() }), []);
        // Ten entries take 10 MiB and ten blocks: 9.5 MiB are too few for them, 8.55 are left.
        let targets = Targets { max_size: Some(19 * MIB / 2), ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(8, Reason::Size), (9, Reason::Size)]);
        let targets = Targets { bytes_to_free: 1, ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(9, Reason::Space)]);
    }

    #[test]
    fn age_is_by_last_use_and_what_is_broken_goes_anyway() {
        let mut scan = scan(vec![entry(1, 1, 5, 99), entry(2, 2, 5, 101), entry(3, 3, 5, 0)]);
        scan.mark_absent(3);
        let targets = Targets { max_age: Some(Duration::from_secs(100)), ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(1, Reason::Age), (2, Reason::Broken)]);
    }

    #[test]
    fn what_was_used_within_the_grace_stays() {
        let scan = scan(vec![entry(1, 1, MIB, 50), entry(2, 2, MIB, 150)]);
        let targets = Targets { bytes_to_free: u64::MAX, grace: Duration::from_secs(100), ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(1, Reason::Space)]);
    }

    #[test]
    fn an_object_frees_space_with_its_last_entry() {
        let scan = scan(vec![entry(1, 7, MIB, 300), entry(2, 7, MIB, 200), entry(3, 8, MIB, 100)]);
        let targets = Targets { bytes_to_free: MIB, ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(0, Reason::Space), (1, Reason::Space)]);
    }

    #[test]
    fn what_live_builds_hold_goes_for_the_size_of_the_store_and_not_for_the_disk() {
        let mut scan = scan(vec![entry(1, 1, MIB, 300), entry(2, 2, MIB, 200), entry(3, 3, MIB, 100)]);
        assert!([1, 2].into_iter().all(|output| scan.mark_present(output, true)));
        let space = |bytes_to_free| Targets { bytes_to_free, ..Targets::default() };
        assert_eq!(gone(&scan, &space(1)), [(2, Reason::Space)]);
        assert_eq!(gone(&scan, &space(u64::MAX)), [(2, Reason::Space)]);
        let size = Targets { max_size: Some(MIB), ..space(u64::MAX) };
        assert_eq!(gone(&scan, &size), [(0, Reason::Size), (1, Reason::Size), (2, Reason::Size)]);
    }

    #[test]
    fn an_entry_with_several_outputs_goes_as_a_whole_and_is_broken_without_all_of_them() {
        let others = [2, 3, 5].map(|key| vec![CompactOutput { key, size: MIB }]).to_vec();
        let several =
            |n: u8, first, age| Entry { others: NonZeroU32::new(u32::from(n) + 1), ..entry(n, first, MIB, age) };
        let mut scan = scan_with(vec![several(0, 1, 300), several(1, 2, 200), several(2, 4, 100)], others);
        // Of the first one an object frees its space, of both three.
        let targets = Targets { bytes_to_free: 2 * MIB, ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(0, Reason::Space), (1, Reason::Space)]);
        scan.mark_absent(4);
        assert_eq!(gone(&scan, &Targets::default()), []);
        scan.mark_absent(5);
        assert_eq!(gone(&scan, &Targets::default()), [(2, Reason::Broken)]);
    }

    #[test]
    fn files_are_freed_as_bytes_are() {
        let scan = scan(vec![entry(1, 7, MIB, 300), entry(2, 7, MIB, 200), entry(3, 8, MIB, 100)]);
        let files = |inodes_to_free| gone(&scan, &Targets { inodes_to_free, ..Targets::default() });
        assert_eq!(files(0), []);
        assert_eq!(files(1), [(0, Reason::Space)]);
        // Its record, and with the second one the object that both have.
        assert_eq!(files(2), [(0, Reason::Space), (1, Reason::Space)]);
        assert_eq!(files(3), [(0, Reason::Space), (1, Reason::Space)]);
        assert_eq!(files(4).len(), 3);
    }

    #[test]
    fn work_counts_and_low_priority_goes_first() {
        let costly = Entry { cost_ms: 8 * 1028, ..entry(1, 1, MIB, 300) };
        let cheap = entry(2, 2, MIB, 100);
        let low = Entry { is_low_priority: true, ..entry(3, 3, 100, 0) };
        let scan = scan(vec![costly, cheap, low]);
        assert_eq!(gone(&scan, &Targets { bytes_to_free: 1, ..Targets::default() }), [(2, Reason::Space)]);
        let targets = Targets { bytes_to_free: MIB, ..Targets::default() };
        assert_eq!(gone(&scan, &targets), [(1, Reason::Space), (2, Reason::Space)]);
    }

    proptest! {
        #[test]
        fn enough_goes_and_no_object_that_a_staying_entry_has(
            raw in prop::collection::vec(
                (prop::collection::vec(0u64..20, 1..4), 0u32..10_000, 0u32..10_000, any::<bool>()),
                1..60,
            ),
            max in 0u64..1 << 22,
            bytes_to_free in 0u64..1 << 20,
        ) {
            let output = |&key: &u64| CompactOutput { key, size: key * 7000 };
            let others = raw.iter().map(|(outputs, ..)| outputs[1..].iter().map(output).collect()).collect();
            let entries: Vec<_> = (0..).zip(&raw).map(|(n, (outputs, age, cost_ms, is_low_priority))| {
                let first = entry(n, outputs[0], outputs[0] * 7000, *age);
                Entry { cost_ms: *cost_ms, is_low_priority: *is_low_priority, others: NonZeroU32::new(u32::from(n) + 1), ..first }
            }).collect();
            let scan = scan_with(entries.clone(), others);
            let targets = Targets { max_size: Some(max), bytes_to_free, ..Targets::default() };
            let victims: Vec<_> = plan(&scan, &targets, NOW).iter().map(|d| d.index.entry as usize).collect();
            let freed = |victims: &[usize]| {
                let keys = |n: usize| scan.outputs(&entries[n]).map(|output| output.key).collect::<Vec<_>>();
                let stays = |key| (0..entries.len()).any(|n| !victims.contains(&n) && keys(n).contains(&key));
                let gone: std::collections::BTreeSet<_> =
                    victims.iter().flat_map(|&n| keys(n)).filter(|&key| !stays(key)).collect();
                victims.len() as u64 * RECORD_BYTES + gone.iter().map(|key| on_disk(key * 7000)).sum::<u64>()
            };
            let all = scan.totals.bytes;
            let enough = |victims: &[usize]| {
                let freed = freed(victims);
                freed >= bytes_to_free && (all <= max || all - freed <= max / 10 * 9)
            };
            prop_assert!(enough(&victims) || victims.len() == entries.len());
            // No more than what it takes, and nothing before what is staler.
            let rank = |n: usize| (staleness(&entries[n], scan.bytes(&entries[n]), NOW), Reverse(n));
            if let Some(&last) = victims.iter().min_by_key(|&&n| rank(n)) {
                let without: Vec<_> = victims.iter().copied().filter(|&n| n != last).collect();
                prop_assert!(!enough(&without), "{} could have stayed", last);
                let staler = (0..entries.len()).find(|n| !victims.contains(n) && rank(*n) > rank(last));
                prop_assert_eq!(staler, None);
            }
        }
    }
}
